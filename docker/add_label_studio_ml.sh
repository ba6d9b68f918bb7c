#!/bin/sh
# Adds label-studio-ml to the environment of the image: add_label_studio_ml.sh SOURCE SHA256
# SOURCE is empty (nothing is added), the name of a wheel in /wheels, or git+https://...@COMMIT.
set -eu
source=$1
sha256=$2

refuse() {
    echo "LABEL_STUDIO_ML = '$source': $1" >&2
    exit 1
}

# Without what it asks for: its pins would move those of the lock. What it imports stands in the
# lock of hosting.
add() {
    python -m pip --python /opt/labelgate/bin/python install --quiet --no-deps "$@"
}

case $source in
"") exit 0 ;;
git+https://*@*)
    commit=${source##*@}
    case $commit in
    *[!0-9a-f]*) refuse "'$commit' is no commit: give its 40 digits, because a branch or a tag can move" ;;
    esac
    [ ${#commit} -eq 40 ] || refuse "'$commit' has ${#commit} digits: give all 40"
    command -v git >/dev/null || {
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends git >/dev/null
    }
    PIP_ONLY_BINARY="" add "$source"
    ;;
git+*) refuse "give the commit too: git+https://ADDRESS@COMMIT" ;;
*/* | *..*) refuse "no path: put the wheel into docker/wheels and give its name alone" ;;
*.whl)
    [ -n "$sha256" ] || refuse "set LABEL_STUDIO_ML_SHA256 to what sha256sum prints for the wheel"
    [ -f "/wheels/$source" ] || refuse "docker/wheels has no such file"
    echo "$sha256  /wheels/$source" | sha256sum --check --status ||
        refuse "its SHA-256 is not LABEL_STUDIO_ML_SHA256 = '$sha256'"
    add --no-index "/wheels/$source"
    ;;
*) refuse "give the name of a wheel in docker/wheels, or git+https://ADDRESS@COMMIT" ;;
esac
add --require-hashes --requirement requirements/hosting.txt
/opt/labelgate/bin/python -c "import label_studio_ml.model"
