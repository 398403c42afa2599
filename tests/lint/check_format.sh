#!/bin/bash
# Fails when clang-format would change a source file. `make format` mends it.
set -euo pipefail
cd "$(dirname "$0")/../.."
git ls-files -co --exclude-standard '*.h' '*.cpp' | xargs -r clang-format-14 --dry-run -Werror 2>&1 | head -n 40 | tee /dev/stderr | { ! grep -q . ; } 2>/dev/null
