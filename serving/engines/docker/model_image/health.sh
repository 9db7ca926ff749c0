#!/bin/bash
# Succeeds if the model is available. Both bases have bash, and neither has curl.
LC_ALL=C
path=""
for ((i = 0; i < ${#MODEL_NAME}; i++)); do
    char="${MODEL_NAME:i:1}"
    case "$char" in
        [a-zA-Z0-9._~-]) path+="$char" ;;
        *)
            printf -v code '%d' "'$char"
            printf -v char '%%%02X' "$((code & 255))"
            path+="$char"
            ;;
    esac
done
exec 3<>/dev/tcp/127.0.0.1/8501 || exit 1
printf 'GET /v1/models/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$path" >&3
grep -q AVAILABLE <&3
