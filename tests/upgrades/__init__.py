"""Data folders that earlier versions wrote are opened by this one, with everything in them."""
