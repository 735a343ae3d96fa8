#!/bin/sh
# One process: object store and Iceberg REST catalog. WebDAV, Lance, the admin pages and the vendor's statistics are off.
# S3 credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
set -eu

# Without signing keys the filer would hand every object to anybody who can reach its port.
export WEED_JWT_SIGNING_KEY="$SEAWEEDFS_SIGNING_KEY" WEED_JWT_SIGNING_READ_KEY="$SEAWEEDFS_SIGNING_KEY"
export WEED_JWT_FILER_SIGNING_KEY="$SEAWEEDFS_SIGNING_KEY" WEED_JWT_FILER_SIGNING_READ_KEY="$SEAWEEDFS_SIGNING_KEY"
export WEED_ADMIN_PASSWORD="$SEAWEEDFS_ADMIN_PASSWORD"

exec "$WEED" mini \
    -dir="$SEAWEEDFS_DATA" \
    -ip="$LAKEHOUSE_BIND_ADDRESS" -ip.bind="$LAKEHOUSE_BIND_ADDRESS" \
    -bucket="$LAKEHOUSE_BUCKET" -tableBucket="$LAKEHOUSE_TABLE_BUCKET" \
    -s3.port="$S3_PORT" -s3.port.grpc="$SEAWEEDFS_S3_GRPC_PORT" \
    -s3.port.iceberg="$ICEBERG_REST_PORT" -s3.port.lance=0 \
    -master.port="$SEAWEEDFS_MASTER_PORT" -master.port.grpc="$SEAWEEDFS_MASTER_GRPC_PORT" -master.telemetry=false \
    -volume.port="$SEAWEEDFS_VOLUME_PORT" -volume.port.grpc="$SEAWEEDFS_VOLUME_GRPC_PORT" \
    -filer.port="$SEAWEEDFS_FILER_PORT" -filer.port.grpc="$SEAWEEDFS_FILER_GRPC_PORT" \
    -admin.port="$SEAWEEDFS_ADMIN_PORT" -admin.port.grpc="$SEAWEEDFS_ADMIN_GRPC_PORT" -admin.ui=false \
    -webdav=false
