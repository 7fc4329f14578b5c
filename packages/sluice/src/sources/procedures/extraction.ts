/** The extraction log of a run: parameters are frozen in it before the first call, and every attempt leaves its story there. */
import { crashPoint } from '../../base/crash.ts'
import { assert, sluiceError } from '../../base/errors.ts'
import { canonicalJson } from '../../base/json.ts'
import type { ServerMessage } from '../../connections/connection.ts'
import type { ProcedureSource } from '../../definition/types.ts'
import { collectMessages, type ExtractionAttempt, type ExtractionLog } from '../../lake/extractions.ts'
import { rowsVersion } from '../../lake/growth.ts'
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
  await closeInterrupted(table, context, take)
  assertClock(table, source, take)
  const before = await lake.extraction(table, take.run.id)
  const window = source.window && windowOf(source.window, take.current?.watermark, take.run.startedAt)
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
    ...(window === undefined ? {} : { window: { from: window.from, to: window.to } }),
    attempts: before?.attempts ?? [],
  }
  assert(
    before === undefined || canonicalJson(before.window) === canonicalJson(begun.window),
    'a run has one window, whatever the attempt',
  )
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
    called({ returnCode, output }, total) {
      calls++
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

/** From a watermark ahead of the clock, windows would leave out what changes until the clock is there. */
function assertClock(table: string, { procedure, window }: ProcedureSource, { current, run }: TakeContext): void {
  const watermark = current?.watermark
  if (window === undefined || watermark === undefined) return
  if (Date.parse(watermark) - window.overlapSeconds * 1000 <= run.startedAt.getTime()) return
  throw sluiceError('Source.ClockBehind', { procedure, table, watermark, now: run.startedAt.toISOString() })
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
async function closeInterrupted(table: string, { lake, clock }: ProceduresContext, take: TakeContext): Promise<void> {
  const last = await lake.extraction(table)
  if (last === undefined || last.status !== 'running' || last.run === take.run.id) return
  const finishedAt = clock.now().toISOString()
  const current = await lake.current(table)
  if (current?.run === last.run) {
    await lake.writeExtraction({ ...last, status: 'committed', finishedAt, version: rowsVersion(current) })
    return
  }
  const { name, code, message } = sluiceError('Source.Interrupted', { run: last.run })
  const attempts = last.attempts.map((attempt) =>
    attempt.finishedAt === undefined ? { ...attempt, finishedAt, error: { name, code, message } } : attempt,
  )
  await lake.writeExtraction({ ...last, status: 'failed', finishedAt, attempts })
}
