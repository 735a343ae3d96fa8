#!/bin/sh
# One Kafka process, broker and controller at once (KRaft). The data directory is formatted at the first start.
set -eu
properties="$(dirname "$0")/server.properties"
classpath="$KAFKA_DISTRIBUTION/libs/*"

if [ ! -f "$KAFKA_DATA/meta.properties" ]; then
    cluster=$("$JAVA_HOME/bin/java" -cp "$classpath" kafka.tools.StorageTool random-uuid)
    "$JAVA_HOME/bin/java" -cp "$classpath" kafka.tools.StorageTool format --cluster-id "$cluster" --standalone --config "$properties"
fi
exec "$JAVA_HOME/bin/java" "-Xmx$KAFKA_HEAP" -server -XX:+ExitOnOutOfMemoryError \
    -Dorg.slf4j.simpleLogger.showDateTime=true "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX" \
    -cp "$classpath" kafka.Kafka "$properties"
