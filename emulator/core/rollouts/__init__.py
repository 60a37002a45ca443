"""Roll-outs: another iteration is tried under a published name before it is published."""
