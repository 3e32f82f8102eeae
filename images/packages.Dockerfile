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
# torchvision's usual build loads CUDA's libraries. Beside a torch without them its compiled operators
# are not there; that they are named is all that its import asks for, and a call of one says why it fails.
RUN find /opt/own -path '*/torchvision/extension.py' | while read -r file; do \
        printf '%s\n' '' 'if not _has_ops():' \
            '    _named = torch.library.Library("torchvision", "DEF")' \
            '    for _name in ("nms", "qnms"):' \
            '        _named.define(_name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")' \
            >> "$file"; \
    done

FROM ${BASE_IMAGE}
COPY --from=packages /opt/own /opt/venv
