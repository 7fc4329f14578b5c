/**
 * Who a process is, so that another process of the same machine can tell whether it still lives.
 *
 * A number alone is not enough: it is given out again, and a container counts its own.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** A process, on paper. */
export interface ProcessIdentity {
  readonly host: string
  /** The boot and the process namespace in which `pid` means something. */
  readonly boot: string
  readonly pid: number
  /** When it started, in the kernel's ticks; empty where the system does not say. */
  readonly started: string
}

/**
 * This process.
 *
 * @example thisProcess().pid === process.pid
 */
export function thisProcess(): ProcessIdentity {
  return { host: hostname(), boot: bootId(), pid: process.pid, started: startOf(process.pid) }
}

/**
 * Whether a process lives: `unknown` where it belongs to another machine, boot or container, so that only time can tell.
 *
 * @example processState(thisProcess()) // 'alive'
 */
export function processState(identity: ProcessIdentity): 'alive' | 'dead' | 'unknown' {
  if (identity.boot !== bootId() || identity.host !== hostname()) return 'unknown'
  try {
    process.kill(identity.pid, 0)
  } catch (error) {
    // EPERM: it lives, and is another user's.
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? 'dead' : 'alive'
  }
  return startOf(identity.pid) === identity.started ? 'alive' : 'dead'
}

let boot: string | undefined

function bootId(): string {
  boot ??= [
    text(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    text(() => readlinkSync('/proc/self/ns/pid').replace(/\D/g, '')),
  ].join('/')
  return boot
}

/** Field 22 of proc(5)'s stat; the command before it may hold spaces and brackets. A zombie counts as gone. */
function startOf(pid: number): string {
  const stat = text(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' ? 'ended' : (fields[19] ?? '')
}

function text(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}
