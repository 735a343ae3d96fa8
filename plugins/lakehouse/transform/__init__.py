"""The dbt project as the library sees it: its graph, and what there is to transform."""
