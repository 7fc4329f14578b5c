/**
 * What a set of snapshots means, by what is known of each: which of them count, and where the history has to be made again. Pure, so that neither
 * the order in which they came nor their batches make a difference.
 */
import type { HeldSnapshot } from '../../plan/types.ts'

/** What is known of the snapshot of an instant. */
export interface Snapshot {
  /** Its instant in microseconds since 1970, by which snapshots are in order. */
  readonly at: bigint
  /** Its instant as the engine writes it; what people and states know it by. */
  readonly instant: string
  /** Its keys, those of refused rows among them; a refused row whose key cannot be read is one more. */
  readonly keys: number
  /** Its refused rows: where there are some, the states of keys depend on the snapshots before. */
  readonly refused: number
  /** Of all that it says: its rows, and the keys of its refused rows. */
  readonly digest: string
}

/** A snapshot, and whether it counts. */
export interface JudgedSnapshot extends Snapshot {
  readonly counts: boolean
}

/** Where a history has to be made again: between two snapshots of which nothing has changed, or to an end of all. */
export interface Window {
  /** Each key's state at it is what its own rows say, and is as it was. */
  readonly after?: Snapshot
  /** Each key's state at it is what its own rows say, and is as it was. */
  readonly until?: Snapshot
}

/**
 * Decides which snapshots count. One with too few keys, compared to the last one that counts, is held until it is accepted: it says nothing, and those
 * after it are compared to the one before it. A snapshot without any key is one that its load declares as allowed, and counts.
 *
 * @param minShare The least share of the keys of the one before.
 * @param accepted Instants that were accepted by hand.
 * @example judgeSnapshots(snapshots, { minShare: 0.5, accepted: ['2026-03-02'] })
 */
export function judgeSnapshots(
  snapshots: readonly Snapshot[],
  { minShare, accepted }: { readonly minShare: number; readonly accepted: readonly string[] },
): { readonly judged: readonly JudgedSnapshot[]; readonly held: readonly HeldSnapshot[] } {
  const taken = new Set(accepted)
  const held: HeldSnapshot[] = []
  let before = 0
  const judged = inTime(snapshots).map((one) => {
    const counts = one.keys === 0 || taken.has(one.instant) || one.keys >= before * minShare
    if (counts) before = one.keys
    else held.push({ instant: one.instant, keys: one.keys, before })
    return { ...one, counts }
  })
  return { judged, held }
}

/**
 * The windows in which two sets of snapshots may differ in what they say, in time; none where they say the same.
 *
 * @example changedWindows(known, judged) // [{ after: snapshotOf1March, until: snapshotOf3March }]
 */
export function changedWindows(before: readonly JudgedSnapshot[], now: readonly JudgedSnapshot[]): readonly Window[] {
  const was = new Map(before.map((one) => [one.at, one]))
  const is = new Map(now.map((one) => [one.at, one]))
  const windows: Window[] = []
  let after: Snapshot | undefined
  let isChanged = false
  for (const one of inTime([...is.values(), ...before.filter(({ at }) => !is.has(at))])) {
    const [old, current] = [was.get(one.at), is.get(one.at)]
    const counted = old?.counts === true
    const counts = current?.counts === true
    const isSame = counted === counts && (!counts || old?.digest === current?.digest)
    if (!isSame) isChanged = true
    // What is held in both says nothing in both.
    if (!isSame || !counts || one.refused > 0) continue
    if (isChanged) windows.push({ ...(after === undefined ? {} : { after }), until: one })
    after = one
    isChanged = false
  }
  if (isChanged) windows.push(after === undefined ? {} : { after })
  return windows.length <= mostWindows ? windows : [spanOf(windows)]
}

/** Each window costs a look at the whole dimension: beyond these, one that spans them all costs less. */
const mostWindows = 8

function spanOf(windows: readonly Window[]): Window {
  const { after } = windows[0] as Window
  const { until } = windows.at(-1) as Window
  return { ...(after === undefined ? {} : { after }), ...(until === undefined ? {} : { until }) }
}

function inTime<T extends Pick<Snapshot, 'at'>>(snapshots: readonly T[]): readonly T[] {
  return [...snapshots].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
}
