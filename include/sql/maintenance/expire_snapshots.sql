alter table {{ table | identifier }} execute expire_snapshots (retention_threshold => {{ retention | literal }})
