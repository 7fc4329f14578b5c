/** Frees leases by hand: of a machine that is gone, whose silence nobody wants to wait for. */
import type { Clock } from '../../base/clock.ts'
import { canonicalJson } from '../../base/json.ts'
import { processState } from '../../base/process-identity.ts'
import type { Storage } from '../../storage/storage.ts'
import { heartbeatsOf, holderState, type LeaseFile, leasePath, newestLease } from './lease.ts'

/** A lease that was not given back, and whose run is not known to have ended. */
export interface HeldLease {
  /** The run's id. */
  readonly run: string
  readonly pipelines: readonly string[]
  /** The machine of the process that took it. */
  readonly host: string
  readonly since: string
  /** By that machine's clock. */
  readonly lastHeard: string
  /** `living`: a process of it runs on this machine. `heard`: within its time. `unclear`: only watching can tell. */
  readonly state: 'living' | 'heard' | 'unclear'
}

/**
 * The leases that are held, one entry a run.
 *
 * @example for (const { run, host, state } of await heldLeases(storage, clock, ['retail'])) …
 */
export async function heldLeases(
  storage: Storage,
  clock: Clock,
  pipelines: readonly string[],
): Promise<readonly HeldLease[]> {
  const held = new Map<string, HeldLease>()
  for (const pipeline of pipelines) {
    const { file } = await newestLease(storage, pipeline)
    const known = file === undefined ? undefined : held.get(file.owner)
    if (known !== undefined) held.set(known.run, { ...known, pipelines: [...known.pipelines, pipeline] })
    else if (file !== undefined) {
      const found = await heldBy(storage, clock, file, pipeline)
      if (found !== undefined) held.set(found.run, found)
    }
  }
  return [...held.values()]
}

async function heldBy(
  storage: Storage,
  clock: Clock,
  file: LeaseFile,
  pipeline: string,
): Promise<HeldLease | undefined> {
  const state = await holderState(storage, clock, file)
  if (state === 'ended') return undefined
  const beats = await heartbeatsOf(storage, file)
  const isLiving = beats.some(({ process }) => processState(process) === 'alive')
  const lastHeard = beats
    .map(({ at }) => at)
    .sort()
    .at(-1)!
  const { owner: run, since, process } = file
  return { run, pipelines: [pipeline], host: process.host, since, lastHeard, state: isLiving ? 'living' : state }
}

/**
 * Frees the leases of a run: their next numbers are created as given back, so a run that lives after all publishes nothing more.
 *
 * @example await releaseHeld(storage, held)
 */
export async function releaseHeld(storage: Storage, { run, pipelines }: HeldLease): Promise<void> {
  for (const pipeline of pipelines) {
    const { number, file } = await newestLease(storage, pipeline)
    if (file?.owner !== run || file.released === true) continue
    // Where this number is taken already, another run has the lease, and this one has lost it.
    const freed: LeaseFile = { ...file, token: file.token + 1, released: true }
    await storage.create(leasePath(pipeline, number + 1), canonicalJson(freed))
  }
}
