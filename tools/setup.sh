#!/usr/bin/env bash
# Make .venv from uv.lock: `make setup`, or PYTHON=python3.13 make setup. Does nothing when nothing changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly UV_VERSION=0.13.8
readonly STAMP=.venv/.penstock-setup
readonly OLDEST_GLIBC=2.34 WHEELS_GLIBC=2.39   # what tools/old_glibc.py edits for; what the wheels ask for

unset PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH VIRTUAL_ENV CONDA_PREFIX UV_PYTHON
export UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never PIP_DISABLE_PIP_VERSION_CHECK=1
export UV_SYSTEM_CERTS=1   # trust what the system trusts, as pip does by its configuration
export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"

log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { echo "setup: $*"; }

quietly() {
  "$@" >"$log" 2>&1 && return
  cat "$log" >&2
  say "failed: $*" >&2
  exit 1
}

supported() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

version() { "$1" -c 'import platform; print(platform.python_version())'; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if supported "$candidate"; then
      echo "$candidate"
      return
    fi
  done
}

glibc() { { getconf GNU_LIBC_VERSION 2>/dev/null || true; } | cut -d ' ' -f 2; }

older() { [[ $1 != "$2" && $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; }

# The venv at hand will do if it runs, has pip, and is of the Python that was asked for.
venv_usable() {
  supported .venv/bin/python && .venv/bin/python -c 'import pip' 2>/dev/null || return 1
  [[ -z ${PYTHON:-} || $(version "$PYTHON" 2>/dev/null) == "$(version .venv/bin/python)" ]]
}

up_to_date() {
  [[ -e $STAMP ]] && venv_usable &&
    [[ -z $(find uv.lock pyproject.toml tools -type f ! -path '*/__pycache__/*' -newer "$STAMP") ]]
}

problems_of_system() {
  local found
  found=$(glibc)
  case "$(uname -sm)" in
    "Linux x86_64")
      if [[ -z $found ]] || older "$found" "$OLDEST_GLIBC"; then
        echo "expected glibc $OLDEST_GLIBC or newer (Debian 12, Ubuntu 22.04, RHEL 9), found ${found:-none}"
      fi ;;
    "Darwin arm64") ;;
    *) echo "expected Linux on x86_64 or macOS on arm64 (TFX has no wheels elsewhere), found $(uname -sm)" ;;
  esac
  command -v g++ >/dev/null ||
    echo "expected g++, to build pyfarmhash, found none (Debian: apt install g++; macOS: xcode-select --install)"
}

problems_of_python() {
  if [[ -z $1 ]]; then
    echo "expected Python 3.11, 3.12 or 3.13, found ${PYTHON:-$(python3 --version 2>&1)} (PYTHON=python3.13 make setup)"
    return
  fi
  "$1" -c 'import ensurepip, venv' 2>/dev/null ||
    echo "expected the modules venv and ensurepip in $1, found none (Debian: apt install python3-venv)"
  "$1" -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null ||
    echo "expected Python.h of $1, to build pyfarmhash, found none (Debian: apt install python3-dev)"
}

refuse() {
  say "cannot set up here:" >&2
  printf '%s\n' "$1" | sed '/^$/d; s/^/  - /' >&2
  exit 1
}

main() {
  local python problems started=$SECONDS
  if up_to_date; then
    say ".venv is up to date"
    return
  fi
  python=$(find_python)
  problems=$(problems_of_system; problems_of_python "$python")
  [[ -z $problems ]] || refuse "$problems"

  if ! venv_usable; then
    say "making .venv with Python $(version "$python")"
    quietly "$python" -m venv --clear .venv
  fi
  rm -f "$STAMP"
  quietly .venv/bin/python -m pip install --quiet "uv==$UV_VERSION"
  say "installing the packages of uv.lock (about a minute)"
  if [[ $(uname -s) == Linux ]] && older "$(glibc)" "$WHEELS_GLIBC"; then
    quietly .venv/bin/uv sync --frozen --python-platform x86_64-manylinux_2_40 --compile-bytecode
    quietly .venv/bin/python tools/old_glibc.py
  else
    quietly .venv/bin/uv sync --frozen --compile-bytecode
  fi
  touch "$STAMP"
  say "done in $((SECONDS - started)) s"
}

main
