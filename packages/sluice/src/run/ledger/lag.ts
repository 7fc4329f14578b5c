/** Who is told that a source is far behind its server: once, until it has caught up, and after a time again (CD-23). */
import type { Clock } from '../../base/clock.ts'
import { canonicalJson } from '../../base/json.ts'
import type { SourceLag } from '../../sources/source.ts'
import type { Storage } from '../../storage/storage.ts'
import type { RunEvent } from './events.ts'

/** A measure, as a run has it. */
export type LagEvent = Extract<RunEvent, { type: 'source.lag' }>

/** The worst that was told since the source had caught up. */
interface Told {
  readonly level: SourceLag['level']
  readonly at: string
}

type State = Pick<Storage, 'read' | 'write' | 'remove'>

const fileOf = (table: string): string => `lag/${table}.json`
const levels = ['ok', 'warn', 'alert'] as const

/**
 * Whether a measure is to be told: it is worse than what was told, or that is long ago.
 *
 * @example await isLagNews(context, 'raw.shop', lag, source.lag.repeatSeconds)
 */
export async function isLagNews(
  { state, clock }: { readonly state: State; readonly clock: Clock },
  table: string,
  { level }: Pick<SourceLag, 'level'>,
  repeatSeconds: number,
): Promise<boolean> {
  if (level === 'ok') return false
  const told = await toldOf(state, table)
  if (told === undefined || levels.indexOf(level) > levels.indexOf(told.level)) return true
  return clock.now().getTime() - Date.parse(told.at) >= repeatSeconds * 1000
}

/** Keeps what was told, after it was: what a crash takes between the two is told twice, and not never. @example await rememberLag(state, lags) */
export async function rememberLag(state: State, lags: readonly LagEvent[]): Promise<void> {
  for (const { table, level, isNew, ts } of lags) {
    if (isNew) await state.write(fileOf(table), canonicalJson({ level, at: ts } satisfies Told))
    else if (level === 'ok' && (await toldOf(state, table)) !== undefined) await state.remove(fileOf(table))
  }
}

async function toldOf(state: State, table: string): Promise<Told | undefined> {
  const bytes = await state.read(fileOf(table))
  return bytes === undefined ? undefined : (JSON.parse(new TextDecoder().decode(bytes)) as Told)
}
