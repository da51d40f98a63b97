import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/**
 * What runs in each namespace of the lab: a shell that forks for every probe, so that hundreds wait at once at the
 * cost of a fork each; a Node in each namespace would take 45 MB and 40 ms. It never runs what it reads: the words of
 * a command are data. An answer is one short line, written at once, so that those of two probes never mix.
 */
const SCRIPT = `
batch= pids=()
probe() {
  case $2 in
    ping) ping -n -q -c 1 -W "$5" "$3" >/dev/null ;;
    tcp) : 3<>"/dev/tcp/$3/$4" ;;
    udp) { echo lab >&3 && read -r -n 1 -t "$5" -u 3 answer && [[ $answer == l ]]; } 3<>"/dev/udp/$3/$4" ;;
  esac && echo "answer $1 1" || echo "answer $1 0"
}
echo ready $$
while read -r word a b c d e; do
  case $word in
    sysctl) [[ ! -e /proc/sys/$a ]] || echo "$b" >"/proc/sys/$a" ;;
    line) batch+="$a $b $c $d $e"$'\\n' ;;
    batch) if said=$(ip -batch - <<<"$batch" 2>&1); then echo done; else echo "failed \${said//$'\\n'/ }"; fi; batch= ;;
    probe) probe "$a" "$b" "$c" "$d" "$e" </dev/null & pids+=($!) ;;
    forget) ip neigh flush all; echo done ;;
    sync) echo done ;;
    stop) [[ \${#pids[@]} = 0 ]] || kill -9 "\${pids[@]}"; wait; pids=(); echo done ;;
  esac
done 2>/dev/null
`

/** A machine of the lab, seen from the worker. Everything ends with the worker, which is process 1 of its namespace. */
export interface Agent {
  /** The process whose namespaces are the machine's. */
  readonly pid: number
  sysctl(path: string, value: string): void
  /** Runs lines of `ip -batch`; rejects with what ip said. */
  ip(lines: readonly string[]): Promise<void>
  /** Starts a probe; the answer comes to `onAnswer`, or never. */
  probe(probe: AgentProbe): void
  /** All that was asked so far has been started. */
  started(): Promise<void>
  /** Ends the probes that still wait. */
  stop(): Promise<void>
  /** Forgets who has which MAC address, so that it must be asked again. */
  forgetNeighbours(): Promise<void>
}

export interface AgentProbe {
  readonly id: number
  readonly kind: 'ping' | 'tcp' | 'udp'
  /** An address, with `%INTERFACE` where it is link-local. */
  readonly target: string
  readonly port?: number
  /** Seconds after which ping and UDP give up by themselves. */
  readonly patience: number
}

/** Starts an agent in a network namespace of its own, or in that of the worker. */
export async function startAgent(
  where: 'own' | 'here',
  onAnswer: (probe: number, admitted: boolean) => void,
): Promise<Agent> {
  const shell = ['bash', '--norc', '--noprofile', '-c', SCRIPT]
  const argv = where === 'own' ? ['unshare', '--net', ...shell] : shell
  const [file = '', ...rest] = argv
  const child = spawn(file, rest, { stdio: ['pipe', 'pipe', 'ignore'] })
  const waiting: { resolve: (said: string) => void; reject: (error: Error) => void }[] = []
  const next = (): Promise<string> =>
    new Promise((resolve, reject) => {
      waiting.push({ resolve, reject })
    })
  const ready = next()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [word, id, admitted] = line.split(' ')
    if (word === 'answer') onAnswer(Number(id), admitted === '1')
    else waiting.shift()?.resolve(line)
  })
  const broken = (error: Error): void => {
    for (const one of waiting.splice(0)) one.reject(error)
  }
  child.on('error', broken)
  child.on('exit', () => broken(new Error(`${file} ended early`)))
  child.stdin.on('error', broken)
  const send = (line: string): void => {
    child.stdin.write(`${line}\n`)
  }
  const ask = async (line: string): Promise<void> => {
    send(line)
    const said = await next()
    if (said !== 'done') throw new Error(said.replace(/^failed /, ''))
  }
  const pid = Number((await ready).split(' ')[1])
  return {
    pid,
    sysctl: (path, value) => send(`sysctl ${path} ${value}`),
    ip: (lines) => {
      for (const line of lines) send(`line ${line}`)
      return ask('batch')
    },
    probe: ({ id, kind, target, port, patience }) =>
      send(`probe ${id} ${kind} ${target} ${port ?? '-'} ${patience}`),
    started: () => ask('sync'),
    stop: () => ask('stop'),
    forgetNeighbours: () => ask('forget'),
  }
}
