/**
 * A lease: the right to be the only writer, with a token that grows forever.
 *
 * Each holder has a number. Taking a lease is creating the object of the next number, exclusively; its heartbeat says that it lives. A holder
 * that was paused for too long is succeeded by the next number, and finds out before it publishes.
 */
import type { Clock } from '../../base/clock.ts'
import { crashPoint } from '../../base/crash.ts'
import { type SluiceError, sluiceError } from '../../base/errors.ts'
import { canonicalJson } from '../../base/json.ts'
import { type ProcessIdentity, processState, thisProcess } from '../../base/process-identity.ts'
import type { Storage } from '../../storage/storage.ts'

/** How a lease is taken. */
export interface LeaseOptions {
  readonly clock: Clock
  /** Shown to whoever finds it taken: the run's id. */
  readonly owner: string
  /** Milliseconds without a heartbeat after which others may take over. @default 30000 */
  readonly ttlMs?: number
}

/** A lease that is held; released by whoever took it. */
export interface Lease extends AsyncDisposable {
  /** Greater than every earlier holder's. */
  readonly token: number
  /** Aborts, with `Run.Fenced`, as soon as this process learns that another has taken over. */
  readonly lost: AbortSignal
  /** @throws Run.Fenced where another has taken over */
  assertHeld(): Promise<void>
  /** Gives it back; the next holder need not wait. Safe to call twice. */
  release(): Promise<void>
}

/** Who holds a lease. */
export interface LeaseHolder {
  readonly owner: string
  readonly token: number
  readonly since: string
}

interface LeaseFile extends LeaseHolder {
  readonly format: 1
  readonly ttlMs: number
  readonly process: ProcessIdentity
}

interface Heartbeat {
  readonly at: string
  readonly released?: boolean
}

const defaultTtlMs = 30_000

/**
 * Takes a lease.
 *
 * @example await using lease = await acquireLease(state, 'project', { clock, owner: run })
 * @throws Run.Busy where a living owner holds it
 */
export async function acquireLease(storage: Storage, name: string, options: LeaseOptions): Promise<Lease> {
  const { clock, owner, ttlMs = defaultTtlMs } = options
  for (;;) {
    const newest = await newestToken(storage, name)
    const holder = await readHolder(storage, name, newest, clock)
    if (holder !== undefined) throw sluiceError('Run.Busy', { owner: holder.owner, since: holder.since })
    const token = newest + 1
    const file: LeaseFile = {
      format: 1,
      owner,
      token,
      since: clock.now().toISOString(),
      ttlMs,
      process: thisProcess(),
    }
    crashPoint('run.lease.before_create')
    if (!(await storage.create(leasePath(name, token), canonicalJson(file)))) continue
    crashPoint('run.lease.after_create')
    // Whoever slept since it looked may find a number free that came and went: it is not the newest then.
    if ((await newestToken(storage, name)) === token) return hold(storage, name, token, clock, ttlMs)
    await storage.remove(leasePath(name, token))
  }
}

/**
 * Who holds a lease now; undefined where nobody does, or its owner has died or fallen silent.
 *
 * @example (await leaseHolder(state, 'project', clock))?.owner
 */
export async function leaseHolder(storage: Storage, name: string, clock: Clock): Promise<LeaseHolder | undefined> {
  return readHolder(storage, name, await newestToken(storage, name), clock)
}

async function hold(storage: Storage, name: string, token: number, clock: Clock, ttlMs: number): Promise<Lease> {
  const lost = new AbortController()
  const done = new AbortController()

  const check = async (): Promise<SluiceError | undefined> => {
    const newer = await newestToken(storage, name)
    if (newer === token) return undefined
    const error = sluiceError('Run.Fenced', { token, newer })
    lost.abort(error)
    return error
  }

  const beat = async (): Promise<void> => {
    while (!done.signal.aborted) {
      await clock.sleep(ttlMs / 3, done.signal)
      if (done.signal.aborted) return
      try {
        if ((await check()) !== undefined) return
        if (!done.signal.aborted) await writeHeartbeat(storage, name, token, { at: clock.now().toISOString() })
      } catch {
        // A full disk, say: the next beat may succeed; if none does, another may take over, and `check` finds that out.
      }
    }
  }
  const beating = beat()
  await removeEarlier(storage, name, token)

  const release = async (): Promise<void> => {
    if (done.signal.aborted) return
    done.abort()
    await beating
    if (lost.signal.aborted) return
    // Best effort: an owner that has ended is succeeded without it.
    await writeHeartbeat(storage, name, token, { at: clock.now().toISOString(), released: true }).catch(() => undefined)
  }

  return {
    token,
    lost: lost.signal,
    async assertHeld() {
      const error = await check()
      if (error !== undefined) throw error
    },
    release,
    [Symbol.asyncDispose]: release,
  }
}

/** The holder with that token, if it still holds. */
async function readHolder(
  storage: Storage,
  name: string,
  token: number,
  clock: Clock,
): Promise<LeaseHolder | undefined> {
  const file = await readJson<LeaseFile>(storage, leasePath(name, token))
  if (file === undefined) return undefined
  const heartbeat = await readJson<Heartbeat>(storage, heartbeatPath(name, token))
  if (heartbeat?.released === true || processState(file.process) === 'dead') return undefined
  const silentMs = clock.now().getTime() - Date.parse(heartbeat?.at ?? file.since)
  return silentMs < file.ttlMs ? { owner: file.owner, token: file.token, since: file.since } : undefined
}

/** The highest number that was given; 0 where none was. */
async function newestToken(storage: Storage, name: string): Promise<number> {
  return Math.max(0, ...(await storage.list(`leases/${name}`)).map(({ path }) => tokenOf(path) ?? 0))
}

/** The newest stays for ever, so that no number is given twice. */
async function removeEarlier(storage: Storage, name: string, token: number): Promise<void> {
  for (const { path } of await storage.list(`leases/${name}`)) {
    const other = Number(/\/(\d{12})\.[a-z.]+$/.exec(path)?.[1] ?? token)
    if (other < token) await storage.remove(path)
  }
}

/** Undefined for a damaged object too: its holder is succeeded, and fenced should it live. */
async function readJson<T>(storage: Storage, path: string): Promise<T | undefined> {
  const bytes = await storage.read(path)
  try {
    return bytes === undefined ? undefined : (JSON.parse(Buffer.from(bytes).toString('utf8')) as T)
  } catch {
    return undefined
  }
}

function writeHeartbeat(storage: Storage, name: string, token: number, heartbeat: Heartbeat): Promise<void> {
  return storage.write(heartbeatPath(name, token), canonicalJson(heartbeat))
}

function tokenOf(path: string): number | undefined {
  const digits = /\/(\d{12})\.json$/.exec(path)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

function leasePath(name: string, token: number): string {
  return `leases/${name}/${String(token).padStart(12, '0')}.json`
}

function heartbeatPath(name: string, token: number): string {
  return `leases/${name}/${String(token).padStart(12, '0')}.heartbeat.json`
}
