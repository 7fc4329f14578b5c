/** How far a log is behind its server, in bytes of the server's own log and in seconds (CD-23). */
import type { LagLimits } from '../../definition/cdc-types.ts'
import type { Lsn } from './lsn.ts'

/** How far behind. */
export interface Lag {
  /** Between what was committed here and the server's end. */
  readonly bytes: number
  /** Since the last commit here; undefined where less has happened since than the cursor moves for by itself. */
  readonly seconds: number | undefined
  /** What the server keeps for the slot. */
  readonly keptBytes: number
  readonly level: 'ok' | 'warn' | 'alert'
}

/** What is measured. */
export interface LagInput {
  readonly position: Lsn
  readonly server: Lsn
  readonly keptBytes: number
  /** When the cursor was committed. */
  readonly committedAt: Date
  readonly now: Date
  readonly limits: LagLimits
}

/** Bytes of the server's log without a change of ours, after which the cursor moves alone, so that the server can forget them. */
export const idleBytes = 16 << 20

/**
 * Measures.
 *
 * @example lagOf({ position: cursor.position, server: identity.position, keptBytes, committedAt, now, limits: source.lag })
 */
export function lagOf({ position, server, keptBytes, committedAt, now, limits }: LagInput): Lag {
  const bytes = Math.max(0, Number(server - position))
  const seconds = bytes < idleBytes ? undefined : Math.max(0, (now.getTime() - committedAt.getTime()) / 1000)
  const most = Math.max(bytes, keptBytes)
  const isBeyond = (limitBytes: number, limitSeconds: number): boolean =>
    most > limitBytes || (seconds ?? 0) > limitSeconds
  const level = isBeyond(limits.alertBytes, limits.alertSeconds)
    ? 'alert'
    : isBeyond(limits.warnBytes, limits.warnSeconds)
      ? 'warn'
      : 'ok'
  return { bytes, seconds, keptBytes, level }
}

/**
 * What a run says of it; nothing where all is well.
 *
 * @example lagInWords('sluice_shop', lag, source.lag)
 */
export function lagInWords(slot: string, lag: Lag, limits: LagLimits): readonly string[] {
  if (lag.level === 'ok') return []
  const [bytes, seconds] =
    lag.level === 'alert' ? [limits.alertBytes, limits.alertSeconds] : [limits.warnBytes, limits.warnSeconds]
  const since = lag.seconds === undefined ? '' : ` and ${Math.round(lag.seconds)} seconds`
  const name = lag.level === 'alert' ? 'ALERT: ' : ''
  return [
    `${name}the slot "${slot}" was ${lag.bytes} bytes${since} behind when this run began, and the server kept ${lag.keptBytes} bytes of its log for it; the limits are ${bytes} bytes and ${seconds} seconds`,
  ]
}
