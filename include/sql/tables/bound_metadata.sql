alter table {{ table | identifier }} set properties
max_commit_retry = 20,
extra_properties = map(
    array['write.metadata.delete-after-commit.enabled', 'write.metadata.previous-versions-max'],
    array['true', '20']
)
