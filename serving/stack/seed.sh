#!/bin/bash
# Puts the version that this image holds into the folder of the models, unless one is there already.
# It may run several times, and several at once.
set -euo pipefail
umask 077
workspace="${SERVERY_WORKSPACE:-/data/workspace}"
models="$workspace/models"
baked="${SERVERY_BAKED_MODELS:-/models}"
user=65532

if [ "$(id -u)" = 0 ]; then  # Docker makes volumes as root's
    for folder in "$workspace" "$models"; do
        mkdir -p "$folder"
        if [ "$(stat -c %u "$folder")" != "$user" ]; then
            chmod 700 "$folder"
            chown -R "$user:$user" "$folder"
        fi
    done
fi
mkdir -p "$models"
if [ -e "$models/serving.config" ]; then
    echo "There are models already."
    exit 0
fi

version=""
for folder in "$baked/$MODEL_NAME"/*/; do
    number="$(basename "$folder")"
    case "$number" in *[!0-9]*) continue ;; esac
    if [ -z "$version" ] || [ "$number" -gt "$version" ]; then version="$number"; fi
done
if [ -z "$version" ]; then
    echo "There is no version in $baked/$MODEL_NAME." >&2
    exit 1
fi

quoted="$(printf '%s' "$MODEL_NAME" | sed 's/[\\"]/\\&/g')"
base="$(printf '%s' "$models/$MODEL_NAME" | sed 's/[\\"]/\\&/g')"
here=".seed-$(hostname)-$$"

write() {  # FILE: what is read from stdin, there at once and whole
    cat > "$1$here"
    if [ "$(id -u)" = 0 ]; then chown "$user:$user" "$1$here"; fi
    mv -f "$1$here" "$1"
}

mkdir -p "$models/$MODEL_NAME"
if [ "$(id -u)" = 0 ]; then chown "$user:$user" "$models/$MODEL_NAME"; fi
if [ ! -e "$models/$MODEL_NAME/$version" ]; then
    staged="$models/$MODEL_NAME/$here"
    # What one left that was killed.
    find "$models/$MODEL_NAME" -maxdepth 1 -name ".seed-*" -mmin +60 -exec rm -rf {} +
    cp -R "$baked/$MODEL_NAME/$version" "$staged"
    chmod -R u+w "$staged"
    if [ "$(id -u)" = 0 ]; then chown -R "$user:$user" "$staged"; fi
    # Another one may have been faster.
    mv -T "$staged" "$models/$MODEL_NAME/$version" 2>/dev/null || rm -rf "$staged"
fi
config="model_config_list {
  config {
    name: \"$quoted\"
    base_path: \"$base\"
    model_platform: \"tensorflow\"
    model_version_policy { specific { versions: $version } }
  }
}"
printf '%s\n' "$config" | write "$models/$MODEL_NAME/serving.config"
printf 'prometheus_config { enable: true }\n' | write "$models/monitoring.config"
# Last, since it says that all is there.
printf '%s\n' "$config" | write "$models/serving.config"
echo "Version $version of $MODEL_NAME is the first one."
