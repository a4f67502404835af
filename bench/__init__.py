"""What the gateway costs, against the floor of its stack in the same run: `python -m bench`.

wire       what is asked and answered
upstream   a static upstream, a process of its own
load       keep-alive connections that check each answer, a process of its own
empty      the floor: a Flask route that answers {}
relay      a bare relay: no key, no limit, no log
process    what the kernel knows of a process: CPU, memory, descriptors
servers    gunicorn and what it serves, started and ended
stage      the servers of a run, each started when first asked for
cost       CPU for a whole answer and for a stream
pace       streams at their pace: how late their events are, and how many one worker holds
footprint  memory at rest, seconds to the first answer
sampler    runs in the profiled worker
profile    where its CPU went
"""
