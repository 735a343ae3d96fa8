alter table {{ table | identifier }} execute remove_orphan_files (retention_threshold => {{ retention | literal }})
