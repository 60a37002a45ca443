"""Jobs on a Dask cluster: the executor of the server, and the program of the workers.

The server packs the call of a job (`packing`) and gives it to the scheduler (`connection`, `executor`). A
worker (`worker`) reads the images from the object store (`exchange`), calls the function in a child process
as the server does (`run`), and stores the files that it has written in the object store, where the server
reads them. Nothing of Dask here is imported without ``--cluster``.
"""
