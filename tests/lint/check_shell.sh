#!/bin/bash
# Fails on what shellcheck finds in our scripts; .shellcheckrc says what it may pass over, and why.
set -euo pipefail
cd "$(dirname "$0")/../.."
git ls-files -co --exclude-standard | xargs -d '\n' grep -lsE '^#!/bin/(ba)?sh' | xargs -d '\n' shellcheck -x

# It knows of "! a", not of "a && b": when a fails, errexit passes over it, and in the middle of a claim it
# decides nothing.
awk '
  FNR == 1 { list = "" }
  list != "" && $1 != "}" { 
    print FILENAME ":" FNR - 1 ": errexit passes over a list that is not its function'"'"'s last: " list
    bad = 1
  }
  { list = /^ +[^#]*&& [^|]*$/ && !/&&( continue| break| return.*)?$/ && $1 !~ /^(if|elif|while|until)$/ ? $0 : "" }
  END { exit bad }
' tests/e2e/*.sh >&2
