# Every image of the project: Python, a compiler, and the packages of the locks that it is built from.
# images.LOCKS says which locks make which image; packages and weights of one's own are put on later.
# Built by `runner setup`, from a context that holds the locks and the wheels they name.
# Nothing is downloaded here but the compiler, and that only where the base brings none.
ARG BASE_IMAGE=python:3.11.14-slim-bookworm

# torch.compile needs a compiler and Python's headers at run time, LightGBM the compiler's libgomp.
FROM ${BASE_IMAGE} AS compiler
RUN command -v g++ > /dev/null || { \
        apt-get update -qq && \
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends g++ && \
        rm -rf /var/lib/apt/lists/* /var/cache/apt/* ; \
    }

FROM compiler AS packages
# The builder leaves this stage behind untagged; the label lets it be found and removed.
LABEL runner.stage=packages
COPY wheels /wheels
RUN cat /wheels/*.lock > /wheels/all.txt && \
    python3 -m venv /opt/venv && \
    /opt/venv/bin/pip install --quiet --disable-pip-version-check --no-cache-dir \
        --no-index --no-deps --require-hashes --find-links /wheels \
        --requirement /wheels/all.txt && \
    /opt/venv/bin/pip uninstall --quiet --yes pip && \
    find /opt/venv -type d -name tests -prune -exec rm -rf {} + && \
    cd /opt/venv/lib/python3.11/site-packages && \
    if [ -d torch ]; then \
        rm -r torch/test && find torch/bin -type f ! -name torch_shm_manager -delete; \
    fi

FROM compiler
COPY --from=packages /opt/venv /opt/venv
# Agent code and scorer are different users, so that neither can read what the other keeps at 0700.
# A named volume takes owner and mode from the folder it is first mounted on: /sealed and /public.
# The rest are mount points, since the root is read-only when a container runs.
RUN printf '%s\n' \
        'agent:x:10001:10001:agent:/tmp:/usr/sbin/nologin' \
        'scorer:x:10002:10002:scorer:/tmp:/usr/sbin/nologin' >> /etc/passwd && \
    printf '%s\n' 'agent:x:10001:' 'scorer:x:10002:' >> /etc/group && \
    mkdir -p /workspace /kit /data /raw /artifacts /outputs /inputs /harness /held /wire /cache && \
    install -d -o scorer -g scorer -m 0700 /sealed && \
    install -d -o scorer -g scorer -m 0755 /public && \
    find / -xdev -type f -perm /6000 -exec chmod a-s {} +
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
