#!/bin/sh
# Makes .env from .env.example with a random secret in every empty line, as the first `make up` does,
# for machines that have Docker and openssl but not the local stack.
set -eu
cd "$(dirname "$0")/.."
target=${1:-.env}
if [ -e "$target" ]; then
    echo "new-env: $target exists and stays as it is." >&2
    exit 1
fi

umask 077
while IFS= read -r line; do
    case $line in
        *_FERNET_KEY=) line=$line$(openssl rand -base64 32 | tr '+/' '-_') ;;
        [A-Z]*=) line=$line$(openssl rand -hex 16) ;;
    esac
    printf '%s\n' "$line"
done < .env.example > "$target"
