# An image of the project with packages of one's own, from the lock beside a policy.
# What the image holds already is neither replaced nor installed again.
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS packages
LABEL runner.stage=packages
COPY wheels /wheels
# The image has no pip any more; this stage takes the one that Python brings along.
RUN python -m ensurepip > /dev/null && \
    python -m pip install --quiet --disable-pip-version-check --no-cache-dir --root-user-action=ignore \
        --no-index --no-deps --require-hashes --find-links /wheels \
        --prefix /opt/own --requirement /wheels/own.lock

FROM ${BASE_IMAGE}
COPY --from=packages /opt/own /opt/venv
