#!/bin/sh
# exec: the server replaces this shell, so that it gets the signals.
exec "$SERVERY_PYTHON" -m serving.model_server --host=0.0.0.0 --port=8500 --rest_api_port=8501 \
    --model_name="${MODEL_NAME}" --model_base_path="${MODEL_BASE_PATH}/${MODEL_NAME}" "$@"
