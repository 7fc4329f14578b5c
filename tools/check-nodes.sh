#!/usr/bin/env bash
# Runs the README's two lines from a fresh clone, on each supported Node. The Nodes come from the npm registry.
#   tools/check-nodes.sh              20 (the one on the path), 22 and 24
#   tools/check-nodes.sh 24           one of them
#   LINES="npm ci && npm start" tools/check-nodes.sh
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
declare -A versions=([22]=22.23.3 [24]=24.21.0)
lines=${LINES:-"npm ci && npm start && npm test"}
platform=node-$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')
for major in "${@:-path 22 24}"; do for node in $major; do
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  path=$PATH
  if [ "$node" != path ]; then
    npm install --silent --no-save --prefix "$work/node" "$platform@${versions[$node]}"
    path=$work/node/node_modules/$platform/bin:$PATH
  fi
  git clone --quiet "$repository" "$work/sluice"
  echo "== Node $(PATH=$path node --version): $lines"
  (cd "$work/sluice" && PATH=$path bash -c "$lines")
  rm -rf "$work"
done; done
