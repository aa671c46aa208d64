#!/usr/bin/env bash
# Runs golangci-lint as .golangci.yml says, at the version internal/tools pins.
set -euo pipefail
cd "$(dirname "$0")/.."

.ci/tools.sh
exec dist/tools/golangci-lint run ./...
