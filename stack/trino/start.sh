#!/bin/sh
# Trino in the foreground, with the configuration of this directory. The heap comes from TRINO_HEAP, not from jvm.config.
set -eu
export JDK_JAVA_OPTIONS="-Xmx$TRINO_HEAP"
exec "$TRINO_DISTRIBUTION/bin/launcher" run --etc-dir="$(dirname "$0")" --data-dir="$TRINO_DATA"
