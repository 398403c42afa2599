# Packages of other Debian suites, unpacked into private directories: nothing is installed. Sourced, not run.
# shellcheck shell=bash

# Prints the URL that this machine has its own Debian from. Fails where apt's configuration names none.
debian_mirror() {
  local mirror
  mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' 'Label: Debian' |
    sed -n 's/^Debian //p' | head -n 1)
  [ -n "$mirror" ] || {
    echo "$(basename "$0"): apt's configuration names no Debian mirror:" \
      "run 'apt-get update', or add one to /etc/apt" >&2
    return 1
  }
  echo "$mirror"
}

# suite_apt DIR SUITE KIND: prepares DIR for packages of SUITE (KIND deb) or their sources (deb-src), and reads the
# suite's lists there. The array suite_apt is then the apt-get to call. Apt checks the signatures. For apt, no package
# is installed, so that it names every dependency.
suite_apt() {
  local mirror
  mirror=$(debian_mirror) || return
  mkdir -p "$1"/{lists/partial,cache/archives/partial}
  : > "$1/status"
  echo "$3 [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $2 main" > "$1/sources.list"
  suite_apt=(apt-get -q -o "Dir::Etc::SourceList=$1/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::Etc::PreferencesParts=/dev/null
    -o "Dir::State::Lists=$1/lists" -o "Dir::State::status=$1/status" -o "Dir::Cache=$1/cache"
    -o Acquire::Languages=none -o APT::Sandbox::User=root)
  "${suite_apt[@]}" update > "$1/log" 2>&1
}

# Waits until no other process fills this cache directory; held until the caller's process ends.
lock_cache() {
  mkdir -p "$1"
  exec {cache_lock}> "$1/.lock"
  flock "$cache_lock"
}
