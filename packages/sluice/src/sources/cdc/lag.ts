/** How far a log is behind its server, in bytes of the server's own log and in seconds, and what the server keeps for it (CD-23). */
import { sluiceError } from '../../base/errors.ts'
import type { Lsn } from '../../changes/lsn.ts'
import type { CdcSource, LagLimits } from '../../definition/cdc/types.ts'
import type { SourceLag } from '../source.ts'
import type { SlotState } from './continuity.ts'

/** How far behind. */
export interface Lag {
  /** Between what was committed here and the server's end. */
  readonly bytes: number
  /**
   * Since the oldest change that is not committed here; since the last commit here, where much is unread; undefined where little is, and nobody has
   * looked whether a change is in it.
   */
  readonly seconds: number | undefined
  /** What the server keeps for the slot. */
  readonly keptBytes: number
  readonly level: 'ok' | 'warn' | 'alert'
  /** The limits that are passed, of that level, in words. */
  readonly passed: readonly string[]
}

/** What is measured. */
export interface LagInput {
  readonly position: Lsn
  readonly server: Lsn
  /** Undefined where there is none. */
  readonly slot: Pick<SlotState, 'keptBytes' | 'safeBytes' | 'walStatus'> | undefined
  /** When the cursor was committed. */
  readonly committedAt: Date
  /** When the oldest change was made that is not committed here; now, where there is none. @default not known */
  readonly behindSince?: Date
  readonly now: Date
  readonly limits: LagLimits
}

/** Bytes of the server's log without a change of ours, after which the cursor moves alone, so that the server can forget them. */
export const idleBytes = 16 << 20

/**
 * Measures.
 *
 * @example lagOf({ position: cursor.position, server: identity.position, slot, committedAt, now, limits: source.lag })
 */
export function lagOf({ position, server, slot, committedAt, behindSince, now, limits }: LagInput): Lag {
  const bytes = Math.max(0, Number(server - position))
  const isMuch = bytes >= idleBytes
  const since = behindSince ?? (isMuch ? committedAt : undefined)
  const seconds = since === undefined ? undefined : Math.max(0, (now.getTime() - since.getTime()) / 1000)
  const keptBytes = slot?.keptBytes ?? 0
  const passedOf = (level: 'warn' | 'alert'): readonly string[] => [
    ...(Math.max(bytes, keptBytes) > limits[`${level}Bytes`]
      ? [`lag.${level}Bytes (${mib(limits[`${level}Bytes`])})`]
      : []),
    // Little is read at once: how seldom that is, is the schedule's.
    ...(isMuch && (seconds ?? 0) > limits[`${level}Seconds`]
      ? [`lag.${level}Seconds (${limits[`${level}Seconds`]} s)`]
      : []),
    ...(isEndangered(level, slot)
      ? [`max_slot_wal_keep_size of the server (${mib(slot?.safeBytes ?? 0)} are left)`]
      : []),
  ]
  for (const level of ['alert', 'warn'] as const) {
    const passed = passedOf(level)
    if (passed.length > 0) return { bytes, seconds, keptBytes, level, passed }
  }
  return { bytes, seconds, keptBytes, level: 'ok', passed: [] }
}

/** Whether the server's own limit comes near: beyond it the slot is lost. A segment or so is kept of any slot. */
function isEndangered(level: 'warn' | 'alert', slot: LagInput['slot']): boolean {
  if (slot === undefined) return false
  if (level === 'alert') return slot.walStatus === 'unreserved'
  const { keptBytes, safeBytes } = slot
  return safeBytes !== undefined && keptBytes > idleBytes && keptBytes > (keptBytes + safeBytes) / 4
}

/**
 * The measure as a run tells it.
 *
 * @example await take.measured?.(sourceLag(source, lag))
 */
export function sourceLag({ connection, slot }: Pick<CdcSource, 'connection' | 'slot'>, lag: Lag): SourceLag {
  const { bytes, seconds, keptBytes, level, passed } = lag
  const figures = { connection, slot, bytes, ...(seconds === undefined ? {} : { seconds }), keptBytes, level }
  if (level === 'ok') return figures
  const { name, code, message, hint } = sluiceError('Source.FarBehind', {
    ...{ slot, behind: mib(bytes), kept: mib(keptBytes), passed },
    since: seconds === undefined ? '' : ` and ${Math.round(seconds)} seconds`,
    // What is read and kept nevertheless is kept for a transaction that has not ended.
    isHeld: keptBytes > 4 * bytes,
  })
  return { ...figures, error: { name, code, message, ...(hint === undefined ? {} : { hint }) } }
}

/** @example mib(2 ** 20) // '1.0 MiB' */
export const mib = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)} MiB`
