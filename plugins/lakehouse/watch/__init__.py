"""What is the matter with the platform: judged from the tables, stored, and told once. No Airflow."""
