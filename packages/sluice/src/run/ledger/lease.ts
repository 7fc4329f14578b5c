/**
 * A lease: the right of one run to be the only writer of some pipelines, with a fencing token that grows forever.
 *
 * Each pipeline has a sequence of leases, `leases/pipelines/<pipeline>/<number>.json`. Taking one is creating the object of the next number,
 * exclusively, so of two that want it one gets it. The run's token is in it, one for all its pipelines: greater than every token that any of
 * them has seen. A lease is the run's and not a process's: any process can join it, and it lives while one of them beats. A run that was silent
 * for too long is succeeded by the next number, and finds out before it publishes.
 */
import type { Clock } from '../../base/clock.ts'
import { crashPoint } from '../../base/crash.ts'
import { assert, type SluiceError, sluiceError } from '../../base/errors.ts'
import { canonicalJson } from '../../base/json.ts'
import { type ProcessIdentity, processState, thisProcess } from '../../base/process-identity.ts'
import { readJson } from '../../storage/read-json.ts'
import type { Storage } from '../../storage/storage.ts'
import { runPath, safeName } from './paths.ts'

/** How a lease is taken. */
export interface LeaseOptions {
  readonly clock: Clock
  /** The run's id. */
  readonly owner: string
  /** Milliseconds without a heartbeat after which others may take over. @default 30000 */
  readonly ttlMs?: number
  /** Where it is unclear whether the holder lives: watch it for its ttl, or count it as living. @default 'watch' */
  readonly unclear?: 'watch' | 'busy'
}

/** A lease that is held by this process, for its run. */
export interface Lease extends AsyncDisposable {
  /** Greater than that of every earlier holder of any of its pipelines. */
  readonly token: number
  readonly pipelines: readonly string[]
  /** Aborts, with `Run.Fenced`, as soon as this process learns that another run has taken over. */
  readonly lost: AbortSignal
  /** @throws Run.Fenced where another run has taken over */
  assertHeld(): Promise<void>
  /** By the process that took it: gives it back, and the next run need not wait. By one that joined: beats no more. Safe to call twice. */
  release(): Promise<void>
}

/** Who holds a lease. */
export interface LeaseHolder {
  /** The run's id. */
  readonly owner: string
  readonly token: number
  readonly since: string
}

/** A lease as it is stored. */
export interface LeaseFile extends LeaseHolder {
  /** 1: of an older Sluice, whose only lease was the project's. */
  readonly format: 1 | 2
  readonly ttlMs: number
  /** The process that took it. */
  readonly process: ProcessIdentity
  readonly released?: boolean
}

/** What a process of the run writes while it works. */
export interface Heartbeat {
  readonly at: string
  readonly process: ProcessIdentity
}

const defaultTtlMs = 30_000

/** The one lease of a project as Sluice had it before leases were of pipelines. */
const formerLease = 'leases/project'

/**
 * Takes the leases of some pipelines for a run: all of them or none.
 *
 * @example await using lease = await acquireLease(state, ['retail'], { clock, owner: run })
 * @throws Run.Busy where a living run holds one of them
 */
export async function acquireLease(
  storage: Storage,
  pipelines: readonly string[],
  options: LeaseOptions,
): Promise<Lease> {
  const { clock, owner, ttlMs = defaultTtlMs, unclear = 'watch' } = options
  // In one order, so that of two runs that want several the one with the first of them gets all.
  const sorted = [...new Set(pipelines)].sort()
  for (;;) {
    const former = await newestNumber(storage, formerLease)
    const newest = await Promise.all(sorted.map((pipeline) => newestLease(storage, pipeline)))
    const formerHolder = await formerHolderOf(storage, former)
    const holders = newest.map(({ file }) => file)
    const silent = await areSilent(storage, clock, [formerHolder, ...holders], {
      folders: sorted.map(folderOf),
      unclear,
    })
    if (!silent) continue
    const isDamaged = newest.some(({ number, file }) => number > 0 && file === undefined)
    const known = isDamaged ? await tokensOfRuns(storage) : []
    const token = Math.max(former, ...known, ...holders.map((file) => file?.token ?? 0)) + 1
    const since = clock.now().toISOString()
    const file: LeaseFile = { format: 2, owner, token, since, ttlMs, process: thisProcess() }
    const numbers = new Map(sorted.map((pipeline, at) => [pipeline, newest[at]!.number + 1]))
    if (await createAll(storage, numbers, file)) return hold(storage, numbers, file, { clock, isOwner: true })
  }
}

/**
 * Joins the lease of a run, in another process than the one that took it.
 *
 * @example await using lease = await joinLease(state, start.pipelines, { clock, owner: run, token })
 * @throws Run.Fenced where another run has taken over
 */
export async function joinLease(
  storage: Storage,
  pipelines: readonly string[],
  { clock, owner, token }: LeaseOptions & { readonly token: number },
): Promise<Lease> {
  const numbers = new Map<string, number>()
  let own: LeaseFile | undefined
  for (const pipeline of pipelines) {
    const { number, file } = await newestLease(storage, pipeline)
    if (file?.owner !== owner || file.token !== token || file.released === true)
      throw sluiceError('Run.Fenced', { token, newer: file?.token ?? token })
    numbers.set(pipeline, number)
    own = file
  }
  assert(own !== undefined, 'a run holds the lease of a pipeline')
  return hold(storage, numbers, { ...own, process: thisProcess() }, { clock, isOwner: false })
}

/**
 * The run that holds a pipeline's lease now; undefined where none does, or its processes have ended or fallen silent.
 *
 * @example (await leaseHolder(state, 'retail', clock))?.owner
 */
export async function leaseHolder(storage: Storage, pipeline: string, clock: Clock): Promise<LeaseHolder | undefined> {
  const { file } = await newestLease(storage, pipeline)
  const former = await formerHolderOf(storage, await newestNumber(storage, formerLease))
  for (const found of [file, former])
    if (found !== undefined && (await holderState(storage, clock, found)) === 'heard')
      return { owner: found.owner, token: found.token, since: found.since }
  return undefined
}

async function createAll(storage: Storage, numbers: ReadonlyMap<string, number>, file: LeaseFile): Promise<boolean> {
  const taken = new Map<string, number>()
  let isAll = true
  for (const [pipeline, number] of numbers) {
    crashPoint('run.lease.before_create')
    isAll = await storage.create(leasePath(pipeline, number), canonicalJson(file))
    if (!isAll) break
    taken.set(pipeline, number)
    crashPoint('run.lease.after_create')
    // A run that slept since it looked may find a number free that came and went: it is not the newest then.
    if ((await newestNumber(storage, folderOf(pipeline))) !== number) {
      await storage.remove(leasePath(pipeline, number))
      taken.delete(pipeline)
      isAll = false
      break
    }
  }
  if (!isAll) await giveBack(storage, taken, file)
  return isAll
}

async function giveBack(storage: Storage, numbers: ReadonlyMap<string, number>, file: LeaseFile): Promise<void> {
  const released = canonicalJson({ ...file, released: true })
  await Promise.all([...numbers].map(([pipeline, number]) => storage.write(leasePath(pipeline, number), released)))
}

async function hold(
  storage: Storage,
  numbers: ReadonlyMap<string, number>,
  file: LeaseFile,
  { clock, isOwner }: { readonly clock: Clock; readonly isOwner: boolean },
): Promise<Lease> {
  const { owner, token, ttlMs } = file
  const lost = new AbortController()
  const done = new AbortController()
  const heartbeat = runPath(owner, `alive/${processName(file.process)}.json`)
  let hasBeaten = false

  const check = async (): Promise<SluiceError | undefined> => {
    for (const [pipeline, number] of numbers) {
      if ((await newestNumber(storage, folderOf(pipeline))) === number) continue
      const newer = (await newestLease(storage, pipeline)).file?.token ?? token + 1
      const error = sluiceError('Run.Fenced', { token, newer })
      lost.abort(error)
      return error
    }
    return undefined
  }

  const write = async (): Promise<void> => {
    hasBeaten = true
    await storage.write(
      heartbeat,
      canonicalJson({ at: clock.now().toISOString(), process: file.process } satisfies Heartbeat),
    )
  }

  const beat = async (): Promise<void> => {
    while (!done.signal.aborted) {
      await clock.sleep(ttlMs / 3, done.signal)
      if (done.signal.aborted) return
      try {
        if ((await check()) !== undefined) return
        if (!done.signal.aborted) await write()
      } catch {
        // A full disk, say: the next beat may succeed; if none does, another may take over, and `check` finds that out.
      }
    }
  }
  if (isOwner) for (const [pipeline, number] of numbers) await removeEarlier(storage, pipeline, number)
  else await write()
  const beating = beat()

  const release = async (): Promise<void> => {
    if (done.signal.aborted) return
    done.abort()
    await beating
    // Best effort: a run that has ended is succeeded without it.
    if (hasBeaten) await storage.remove(heartbeat).catch(() => undefined)
    if (isOwner && !lost.signal.aborted) await giveBack(storage, numbers, file).catch(() => undefined)
  }

  return {
    token,
    pipelines: [...numbers.keys()],
    lost: lost.signal,
    async assertHeld() {
      const error = await check()
      if (error !== undefined) throw error
    },
    release,
    [Symbol.asyncDispose]: release,
  }
}

/**
 * Whether a lease's holder lives, as far as one look can say. `heard`: within its time. `ended`: no process of it is left on this machine. `unclear`:
 * its last heartbeat is old, or ahead of this clock, or its processes are another machine's; clocks disagree, so only watching can tell.
 */
export async function holderState(storage: Storage, clock: Clock, file: LeaseFile): Promise<HolderState> {
  if (file.released === true) return 'ended'
  const now = clock.now().getTime()
  const living = (await heartbeatsOf(storage, file)).filter(({ process }) => processState(process) !== 'dead')
  if (living.length === 0) return 'ended'
  const ages = living.map(({ at }) => now - Date.parse(at))
  return ages.some((age) => age >= 0 && age < file.ttlMs) ? 'heard' : 'unclear'
}

/** What one look at a lease's holder says. */
export type HolderState = 'heard' | 'ended' | 'unclear'

/** When each process of a holder was last heard; the taking of the lease counts. @example (await heartbeatsOf(state, file)).at(-1)?.at */
export async function heartbeatsOf(storage: Storage, file: LeaseFile): Promise<readonly Heartbeat[]> {
  const taken = { at: file.since, process: file.process }
  if (file.format === 1) return [taken]
  const objects = await storage.list(runPath(file.owner, 'alive'))
  const beats = await Promise.all(objects.map(({ path }) => readJson<Heartbeat>(storage, path)))
  return [taken, ...beats.filter((beat) => beat !== undefined)]
}

/**
 * True where none of the holders lives; false where something changed while they were watched, and one has to look again.
 *
 * Silence is what this process observed: that nothing of a holder changed for its ttl, by the timers of this process. What a heartbeat says of
 * the time is another clock's word.
 *
 * @throws Run.Busy where one of them lives
 */
async function areSilent(
  storage: Storage,
  clock: Clock,
  holders: readonly (LeaseFile | undefined)[],
  { folders, unclear }: { readonly folders: readonly string[]; readonly unclear: 'watch' | 'busy' },
): Promise<boolean> {
  const watched = new Map<string, LeaseFile>()
  for (const file of holders) {
    const state = file === undefined ? 'ended' : await holderState(storage, clock, file)
    if (file === undefined || state === 'ended') continue
    if (state === 'heard' || unclear === 'busy') throw sluiceError('Run.Busy', { owner: file.owner, since: file.since })
    watched.set(file.owner, file)
  }
  if (watched.size === 0) return true
  const ttlMs = Math.max(...[...watched.values()].map((file) => file.ttlMs))
  const leases = async (): Promise<string> => marksOf(storage, [formerLease, ...folders])
  const before = await leases()
  const beats = new Map<string, string>()
  for (const owner of watched.keys()) beats.set(owner, await marksOf(storage, [runPath(owner, 'alive')]))
  const looks = 10
  for (let look = 0; look < looks; look++) {
    await clock.sleep(ttlMs / looks)
    for (const [owner, { since }] of watched)
      if (
        (await marksOf(storage, [runPath(owner, 'alive')])) !== beats.get(owner) &&
        (await isHeld(storage, folders, owner))
      )
        throw sluiceError('Run.Busy', { owner, since })
    if ((await leases()) !== before) return false
  }
  return true
}

/** A text that changes whenever an object in the folders does. */
async function marksOf(storage: Storage, folders: readonly string[]): Promise<string> {
  const objects = (await Promise.all(folders.map((folder) => storage.list(folder)))).flat()
  return objects.map(({ path, identity }) => `${path} ${identity}`).join('\n')
}

/** A run that ends takes its heartbeat away before it gives its leases back: that is no sign of life. */
async function isHeld(storage: Storage, folders: readonly string[], owner: string): Promise<boolean> {
  if ((await storage.list(runPath(owner, 'alive'))).length === 0) return false
  const files = await Promise.all(
    folders.map(async (folder) =>
      readJson<LeaseFile>(storage, `${folder}/${padded(await newestNumber(storage, folder))}.json`),
    ),
  )
  return files.some((file) => file?.owner === owner && file.released !== true)
}

/** An older Sluice's lease: the time of its last heartbeat is in an object of its own. */
async function formerHolderOf(storage: Storage, number: number): Promise<LeaseFile | undefined> {
  if (number === 0) return undefined
  const base = `${formerLease}/${padded(number)}`
  const file = await readJson<LeaseFile>(storage, `${base}.json`)
  const heartbeat = await readJson<{ at: string; released?: boolean }>(storage, `${base}.heartbeat.json`)
  if (file === undefined || heartbeat?.released === true) return undefined
  return heartbeat === undefined ? file : { ...file, since: heartbeat.at }
}

/** The newest lease of a pipeline; 0 and no file where there was none. @example (await newestLease(state, 'retail')).file?.owner */
export async function newestLease(
  storage: Storage,
  pipeline: string,
): Promise<{ readonly number: number; readonly file: LeaseFile | undefined }> {
  const number = await newestNumber(storage, folderOf(pipeline))
  // A damaged object counts as none: its run is succeeded, and fenced should it live.
  return { number, file: number === 0 ? undefined : await readJson<LeaseFile>(storage, leasePath(pipeline, number)) }
}

/** The highest number that was given; 0 where none was. */
async function newestNumber(storage: Storage, folder: string): Promise<number> {
  const numbers = (await storage.list(folder)).map(({ path }) => Number(/\/(\d{12})\.json$/.exec(path)?.[1] ?? 0))
  return Math.max(0, ...numbers)
}

/** Where the newest lease cannot be read, its token is in the ledger. */
async function tokensOfRuns(storage: Storage): Promise<readonly number[]> {
  const runs = await storage.folders('runs')
  const starts = await Promise.all(
    runs.map((run) => readJson<{ fencingToken?: number }>(storage, runPath(run, 'run.json'))),
  )
  return starts.map((start) => start?.fencingToken ?? 0)
}

/** The newest stays for ever, so that no number is given twice. */
async function removeEarlier(storage: Storage, pipeline: string, number: number): Promise<void> {
  for (const { path } of await storage.list(folderOf(pipeline))) {
    const other = Number(/\/(\d{12})\.json$/.exec(path)?.[1] ?? number)
    if (other < number) await storage.remove(path)
  }
}

const padded = (number: number): string => String(number).padStart(12, '0')
const folderOf = (pipeline: string): string => `leases/pipelines/${safeName(pipeline)}`
/** Where a lease is. @example leasePath('retail', 7) */
export const leasePath = (pipeline: string, number: number): string => `${folderOf(pipeline)}/${padded(number)}.json`

const processName = ({ host, pid, started }: ProcessIdentity): string => safeName(`${host}-${pid}-${started}`)
