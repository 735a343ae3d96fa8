"""From Kafka to bronze: which partitions, from where on, flush by flush. Free of Airflow."""
