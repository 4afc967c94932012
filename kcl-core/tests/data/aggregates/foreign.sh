#!/usr/bin/env bash
# Makes the goldens, or has those who made them read what we write. See README.md.
set -euo pipefail

PYTHON_PACKAGES=(aws_kinesis_agg==1.2.3 protobuf==5.29.5 six==1.17.0)
NODE_PACKAGE=aws-kinesis-agg@4.2.8

here="$(cd "$(dirname "$0")" && pwd)"
verb="${1:-}"
case "$verb" in make | verify) ;; *) echo "usage: $0 make|verify" >&2; exit 2 ;; esac

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export PYTHONDONTWRITEBYTECODE=1
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "${PYTHON_PACKAGES[@]}"
(cd "$work" && npm install --silent --no-audit --no-fund --ignore-scripts "$NODE_PACKAGE" >/dev/null)

python() { "$work/venv/bin/python" "$here/foreign.py" "$@"; }
node() { (cd "$work" && command node "$here/foreign.cjs" "$@"); }

# Writes what our encoder makes of each scenario of a file.
ours() {
    mkdir -p "$2"
    cargo run --quiet --locked --manifest-path "$here/../../../Cargo.toml" --no-default-features \
        --example aggregate_scenarios -- "$1" "$2"
}

if [ "$verb" = make ]; then
    python scenarios "$here/scenarios.txt"
    python make "$here/scenarios.txt" "$here/golden"
    node make "$here/scenarios.txt" "$here/golden"
    exit
fi

seed="${SEED:-1}"
python random "$work/random.txt" "$seed"
for scenarios in "$here/scenarios.txt" "$work/random.txt"; do
    directory="$work/ours-$(basename "$scenarios" .txt)"
    ours "$scenarios" "$directory"
    python verify "$scenarios" "$directory"
    node verify "$scenarios" "$directory"
done
