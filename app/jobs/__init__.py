"""Long work: jobs that are accepted once, kept in a store, and done on workers.

`job` says what a job is; `store` keeps jobs through crashes; `runner` is what a worker does;
`engine` hands pieces of work to Dask's workers; `foreman` leads jobs from accepted to ended.
"""
