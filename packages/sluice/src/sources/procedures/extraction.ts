/** The extraction log of a run: parameters are frozen in it before the first call, and every attempt leaves its story there. */
import { crashPoint } from '../../base/crash.ts'
import { assert, sluiceError } from '../../base/errors.ts'
import type { ServerMessage } from '../../connections/connection.ts'
import type { ProcedureSource } from '../../definition/types.ts'
import { collectMessages, type ExtractionAttempt, type ExtractionLog } from '../../lake/extractions.ts'
import { rowsVersion } from '../../lake/growth.ts'
import type { CommitRecord } from '../../lake/record.ts'
import type { Settlement, TakeContext } from '../source.ts'
import type { CallResult } from './call.ts'
import type { ProceduresContext } from './context.ts'
import { type BoundTexts, type FrozenCall, freezeTexts, frozenCall } from './parameters.ts'
import { type Window, windowOf } from './window.ts'

/** What every attempt of a run binds. */
export interface Frozen {
  readonly window?: Window
  readonly calls: readonly FrozenCall[]
}

/** An attempt that is being made. */
export interface Attempt {
  readonly frozen: Frozen
  /** @param rows that have arrived so far */
  arrived(rows: number): void
  message(message: ServerMessage): void
  /** @param bytes of all calls so far */
  called(result: CallResult, bytes: number): void
  settle(outcome: Settlement): Promise<void>
}

/**
 * Begins an attempt: freezes the run's parameters, or takes those that an earlier attempt of the run has frozen.
 *
 * @throws Source.EachTable, Source.ClockBehind
 */
export async function openAttempt(
  table: string,
  source: ProcedureSource,
  context: ProceduresContext,
  take: TakeContext,
): Promise<Attempt> {
  const { lake, clock } = context
  const last = await closeInterrupted(table, context, take)
  const before = await lake.extraction(table, take.run.id)
  const window = before?.watermark === undefined ? nextWindow(table, source, take, last) : frozenWindow(before)
  const texts = before?.calls ?? (await freeze(source, context, take, window))
  const begun: ExtractionLog = {
    format: 1,
    table,
    run: take.run.id,
    connection: source.connection,
    procedure: source.procedure,
    status: 'running',
    startedAt: before?.startedAt ?? clock.now().toISOString(),
    calls: texts,
    ...(window === undefined ? {} : { window: { from: window.from, to: window.to }, watermark: window.watermark }),
    attempts: before?.attempts ?? [],
  }
  const startedAt = clock.now().toISOString()
  const messages = collectMessages()
  let [calls, bytes, rows] = [0, 0, 0]
  let ended: Partial<ExtractionAttempt> = {}
  const story = (more: Partial<ExtractionAttempt>): ExtractionLog['attempts'] => [
    ...begun.attempts,
    { attempt: take.attempt, startedAt, calls, rows, bytes, ...messages.collected(), ...ended, ...more },
  ]
  crashPoint('sources.procedures.before_freeze')
  await lake.writeExtraction({ ...begun, attempts: story({}) })
  crashPoint('sources.procedures.after_freeze')
  return {
    frozen: { ...(window === undefined ? {} : { window }), calls: texts.map((values) => frozenCall(source, values)) },
    arrived(count) {
      rows = count
    },
    message: messages.add,
    called({ returnCode, output, kept }, total) {
      // Rows of a call that another table's task made are no second call.
      if (kept?.isNew !== false) calls++
      bytes = total
      ended = {
        ...(returnCode === undefined ? {} : { returnCode }),
        ...(Object.keys(output).length === 0 ? {} : { output }),
      }
    },
    async settle(outcome) {
      const finishedAt = clock.now().toISOString()
      crashPoint('sources.procedures.before_settle')
      await lake.writeExtraction({
        ...begun,
        status: outcome.status,
        finishedAt,
        ...('version' in outcome ? { version: outcome.version } : {}),
        attempts: story({ finishedAt, ...('error' in outcome ? { error: outcome.error } : {}) }),
      })
      crashPoint('sources.procedures.after_settle')
    },
  }
}

/** The window that a run asks for. From a watermark ahead of the clock, it would leave out what changes until the clock is there. */
function nextWindow(
  table: string,
  { procedure, window }: ProcedureSource,
  { current, run: { startedAt } }: TakeContext,
  last: ExtractionLog | undefined,
): Window | undefined {
  if (window === undefined) return undefined
  const watermark = reached(current, last)
  if (watermark !== undefined && Date.parse(watermark) - window.overlapSeconds * 1000 > startedAt.getTime())
    throw sluiceError('Source.ClockBehind', { procedure, table, watermark, now: startedAt.toISOString() })
  return windowOf(window, watermark, startedAt)
}

/** How far a table was asked for: a window without news leaves no version, and only its log says so. */
function reached(current: CommitRecord | undefined, last: ExtractionLog | undefined): string | undefined {
  const { watermark } = current ?? {}
  if (current === undefined || watermark === undefined || last?.status !== 'unchanged') return watermark
  const isOfCurrent = last.version! >= rowsVersion(current) && last.version! <= current.version
  return isOfCurrent && last.watermark !== undefined && last.watermark > watermark ? last.watermark : watermark
}

/** The window that an earlier attempt of the run has asked for. */
const frozenWindow = ({ window, watermark }: ExtractionLog): Window => {
  assert(window?.from !== undefined && window.from !== null && watermark !== undefined, 'a window has both its bounds')
  return { from: window.from, to: window.to, watermark }
}

function freeze(
  source: ProcedureSource,
  { lake }: ProceduresContext,
  { session, run: { startedAt } }: TakeContext,
  window: Window | undefined,
): Promise<readonly BoundTexts[]> {
  return freezeTexts(source, { session, lake, startedAt, window })
}

/** A run that was killed has no chance to say how it ended; the next one finds out. */
async function closeInterrupted(
  table: string,
  { lake, clock }: ProceduresContext,
  take: TakeContext,
): Promise<ExtractionLog | undefined> {
  const last = await lake.extraction(table)
  if (last === undefined || last.status !== 'running' || last.run === take.run.id) return last
  const finishedAt = clock.now().toISOString()
  const current = await lake.current(table)
  if (current?.run === last.run) {
    await lake.writeExtraction({ ...last, status: 'committed', finishedAt, version: rowsVersion(current) })
    return last
  }
  const { name, code, message } = sluiceError('Source.Interrupted', { run: last.run })
  const attempts = last.attempts.map((attempt) =>
    attempt.finishedAt === undefined ? { ...attempt, finishedAt, error: { name, code, message } } : attempt,
  )
  await lake.writeExtraction({ ...last, status: 'failed', finishedAt, attempts })
  return last
}
