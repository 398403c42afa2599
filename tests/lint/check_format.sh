#!/bin/bash
# Fails when clang-format would change a source file. `make format` mends it.
set -euo pipefail
cd "$(dirname "$0")/../.."
wrong=$(git ls-files -co --exclude-standard '*.h' '*.cpp' | xargs -r clang-format-14 --dry-run -Werror 2>&1) || true
[ -z "$wrong" ] || { head -n 40 <<< "$wrong" >&2; exit 1; }
