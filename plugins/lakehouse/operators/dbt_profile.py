"""dbt's profile, from an Airflow connection to Trino."""

from __future__ import annotations

from typing import Any

from cosmos.profiles.trino.base import TrinoBaseProfileMapping

#: How each kind of connection signs in, by the setting of the connection that holds its secret.
_PASSWORD = "password"  # noqa: S105  (the name of a field)
_TOKEN = "jwt_token"  # noqa: S105


class TrinoConnectionProfile(TrinoBaseProfileMapping):  # type: ignore[misc]  # Cosmos ships no types
    """A profile for whatever the connection is: none, a password or a token, http or https.

    Cosmos has one mapping for each way to sign in, and chooses when a DAG is parsed; parsing here needs no
    connection. Secrets go to dbt in environment variables of its process, never into the file.

    :param conn_id: connection of type Trino, with ``catalog`` and ``protocol`` in its extra.
    :param profile_args: over what the connection says.
    """

    @property
    def secret_fields(self) -> list[str]:
        if self.conn.password:
            return [_PASSWORD]
        return [_TOKEN] if self.conn.extra_dejson.get("jwt__token") else []

    airflow_param_mapping = {  # noqa: RUF012  (declared so by the base class)
        **TrinoBaseProfileMapping.airflow_param_mapping,
        "database": "extra.catalog",
        "schema": "schema",
        "http_scheme": "extra.protocol",
        "cert": "extra.verify",
        _PASSWORD: "password",
        _TOKEN: "extra.jwt__token",
    }

    @property
    def profile(self) -> dict[str, Any]:
        """The profile, secrets as references to the environment."""
        methods = {_PASSWORD: "ldap", _TOKEN: "jwt"}
        [*secret] = self.secret_fields
        return {
            **{key: value for key, value in super().profile.items() if key not in methods},
            "method": methods[secret[0]] if secret else "none",
            **{field: self.get_env_var_format(field) for field in secret},
        }
