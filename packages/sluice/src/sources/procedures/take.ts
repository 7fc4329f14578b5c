/** Takes what a procedure returns into a candidate: every call, then keys, checks, earlier rows, and the account of all of it. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { sluiceError } from '../../base/errors.ts'
import { turns, workThrough } from '../../base/queue.ts'
import { eachValues, sourceColumns } from '../../definition/columns.ts'
import type { Check, ProcedureSource } from '../../definition/types.ts'
import type { WrittenFile } from '../../engines/engine.ts'
import { contentOf } from '../../lake/content.ts'
import type { CheckResult, InputReference, RowAccounting } from '../../lake/record.ts'
import { assertBalanced, exceedsLimits, rowCountOutside, ruleResults } from '../../quality/accounting.ts'
import { quarantineWriter, type WrittenQuarantine } from '../../quality/quarantine.ts'
import type { RowRule } from '../../quality/rule.ts'
import { checkNames, isRowCheck } from '../../quality/rules.ts'
import { runTableChecks } from '../../quality/table-checks.ts'
import { quoteIdentifier, readParquetSql } from '../../sql/quote.ts'
import type { Candidate, TakeContext } from '../source.ts'
import { type CallResult, callText, runCall } from './call.ts'
import type { ProceduresContext } from './context.ts'
import type { Attempt, Frozen } from './extraction.ts'
import { callKeys, refuseTwice } from './keys.ts'
import { type Carried, dropSeen, type MergeInput, supersede } from './merge.ts'
import type { FrozenCall } from './parameters.ts'
import { openScanner, rowContract } from './scan.ts'

/** What a take works with. */
interface Taking {
  readonly source: ProcedureSource
  readonly context: ProceduresContext
  readonly take: TakeContext
  readonly frozen: Frozen
  readonly attempt: Attempt
}

/** One call and what came of it. */
interface Called {
  readonly call: FrozenCall
  readonly startedAt: Date
  readonly result: CallResult
}

/**
 * Makes the calls of a run and what they come to.
 *
 * @throws Source.*, Connection.*, Quality.RowsUnaccounted
 */
export async function takeCalls(taking: Taking): Promise<Candidate> {
  const { source, take } = taking
  const { session } = take
  const quarantine = quarantineWriter(session, take.scratch)
  const contract = rowContract(source)
  const called = await makeCalls(taking, quarantine, openScanner(session, contract, quarantine))
  const read = sum(called.map(({ result }) => result.rows))
  guardRowCount(taking, read)
  const unique = await refuseTwice(
    session,
    called.flatMap(({ result }) => result.files),
    callKeys(source),
    quarantine,
    source.procedure,
    join(take.scratch, 'unique'),
  )
  const refused = await quarantine.finish()
  const checks = judge(source, contract.rules, refused, read)
  const tableChecks = await checkRows(taking, unique)
  const { files, carried, dropped } = await besideEarlier(unique, taking)
  const accounting: RowAccounting = {
    read,
    accepted: sum(files.map(({ rows }) => rows)),
    quarantined: refused?.rows ?? 0,
    dropped,
    ...(carried === undefined ? {} : { carried: (take.current?.rows ?? 0) - carried.superseded }),
  }
  assertBalanced(source.procedure, accounting, accounting.accepted)
  return {
    fields: sourceColumns(source),
    files: await candidateFiles([...(carried?.rewritten ?? []), ...files], taking),
    ...(carried === undefined ? {} : { kept: carried.kept }),
    quarantine: refused === undefined ? [] : [refused],
    inputs: called.map((one) => reference(source, one)),
    accounting,
    checks: [...checks, ...tableChecks],
    warnings: called.length === 0 ? [noCalls(source)] : [...new Set(called.flatMap(({ result }) => result.warnings))],
    ...(taking.frozen.window === undefined ? {} : { watermark: taking.frozen.window.watermark }),
  }
}

const noCalls = (source: ProcedureSource): string =>
  `${source.procedure} was not called: ${eachValues(source)
    .map(({ table, column }) => `${table}.${column}`)
    .join(', ')} has no value`

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0)

/**
 * Makes the calls side by side, as many as the pool has connections; what they return goes into the session in turn. The first failure ends
 * the others, and is waited for: nothing may run in a session that is closed next.
 */
async function makeCalls(
  { source, context, take, frozen, attempt }: Taking,
  quarantine: ReturnType<typeof quarantineWriter>,
  scanner: ReturnType<typeof openScanner>,
): Promise<readonly Called[]> {
  const called: Called[] = []
  const inTurn = turns()
  let [rows, bytes] = [0, 0]
  const makeCall = async (call: FrozenCall, at: number, signal: AbortSignal): Promise<void> => {
    const startedAt = context.clock.now()
    const result = await context.pool.use(signal, (connection) =>
      runCall(connection, call, join(take.scratch, `call-${at}`), {
        source,
        session: take.session,
        inTurn,
        scanner,
        quarantine,
        otherSets: context.otherSets,
        signal,
        onRows: (more) => {
          rows += more
          attempt.arrived(rows)
          take.progress({ rows, bytes, input: callText(source, call) })
        },
        onMessage: (message) => attempt.message(message),
      }),
    )
    bytes += result.bytes
    attempt.called(result, bytes)
    called[at] = { call, startedAt, result }
  }
  const calls = [...frozen.calls.entries()]
  await workThrough(calls, { workers: context.pool.max, signal: take.signal }, async (left, signal) => {
    for (const [at, call] of left) await makeCall(call, at, signal)
  })
  return called
}

/** @throws Source.CallRowCount */
function guardRowCount({ source, context }: Taking, rows: number): void {
  if (source.rowCount === undefined) return
  const why = rowCountOutside(source.rowCount, rows, context.previousRows)
  if (why !== undefined) throw sluiceError('Source.CallRowCount', { procedure: source.procedure, why })
}

/** @throws Source.TooManyRowsRefused, Source.CallCheckFailed */
function judge(
  source: ProcedureSource,
  rules: readonly RowRule[],
  refused: WrittenQuarantine | undefined,
  read: number,
): readonly CheckResult[] {
  const { procedure } = source
  const limit = exceedsLimits(source.quarantine, refused?.rows ?? 0, read)
  if (limit !== undefined) {
    const reasons = Object.entries(refused?.reasons ?? {}).map(([reason, rows]) => `${reason} ${rows}`)
    throw sluiceError('Source.TooManyRowsRefused', { procedure, limit, reasons: reasons.join(', ') })
  }
  const names = checkNames(source.checks)
  const keyRules = callKeys(source).map(({ name, columns }): RowRule => {
    const { maxShare, maxCount }: Partial<Check> = source.checks[names.indexOf(name)] ?? {}
    return {
      name,
      kind: 'unique',
      columns,
      valid: '',
      severity: 'error',
      action: 'quarantine',
      ...(maxShare === undefined ? {} : { maxShare }),
      ...(maxCount === undefined ? {} : { maxCount }),
    }
  })
  return passedOrThrow(procedure, ruleResults([...rules, ...keyRules], refused?.broken ?? new Map(), read))
}

/** Checks on what is accepted: those of the whole take, and those that only warn. */
async function checkRows(
  { source, context, take }: Taking,
  files: readonly WrittenFile[],
): Promise<readonly CheckResult[]> {
  const keys = new Set(callKeys(source).map(({ name }) => name))
  const names = checkNames(source.checks)
  const checks = source.checks
    .map((check, place) => ({ ...check, name: names[place] as string }))
    .filter((check) => (isRowCheck(check) ? check.severity === 'warn' : !keys.has(check.name)))
  const columns = sourceColumns(source).map(({ name, type }) => `NULL::${type} AS ${quoteIdentifier(name)}`)
  const relation =
    files.length === 0 ? `(SELECT ${columns.join(', ')} WHERE false)` : readParquetSql(files.map(({ file }) => file))
  const results = await runTableChecks(take.session, { relation, checks, related: {}, now: context.clock.now() })
  return passedOrThrow(source.procedure, results)
}

/** @throws Source.CallCheckFailed */
function passedOrThrow(procedure: string, results: readonly CheckResult[]): readonly CheckResult[] {
  const failed = results.filter(({ status }) => status === 'failed')
  if (failed.length === 0) return results
  const checks = failed.map(({ name, detail }) => `${name} (${detail ?? ''})`).join(', ')
  throw sluiceError('Source.CallCheckFailed', { procedure, checks })
}

/** Why rows of an overlapping window are dropped. */
const seenBefore = 'seen before'

/** New rows beside those that the table holds, by the source's mode. */
async function besideEarlier(
  files: readonly WrittenFile[],
  { source, context, take }: Taking,
): Promise<{
  readonly files: readonly WrittenFile[]
  readonly carried?: Carried
  readonly dropped: RowAccounting['dropped']
}> {
  const { current } = take
  const { key, mode } = source
  if (mode === 'replace' || key === undefined || current === undefined || current.files.length === 0)
    return { files, ...(mode === 'merge' ? { carried: { kept: [], rewritten: [], superseded: 0 } } : {}), dropped: {} }
  const folder = join(take.scratch, 'merged')
  mkdirSync(folder, { recursive: true })
  await context.lake.verify(current)
  const input: MergeInput = {
    session: take.session,
    lake: context.lake,
    current,
    columns: sourceColumns(source),
    key,
    folder,
  }
  const fresh = await dropSeen(files, input)
  const dropped = fresh.seen === 0 ? {} : { [seenBefore]: fresh.seen }
  if (mode === 'append') return { files: fresh.files, dropped }
  return { files: fresh.files, carried: await supersede(fresh.files, input), dropped }
}

async function candidateFiles(files: readonly WrittenFile[], { source, take }: Taking): Promise<Candidate['files']> {
  const columns = sourceColumns(source).map(({ name }) => name)
  const contents = await contentOf(
    take.session,
    files.map(({ file }) => file),
    columns,
  )
  return files.map(({ file, rows, stats }, place) => ({
    localFile: file,
    rows,
    stats,
    fields: columns,
    content: contents[place] as string,
  }))
}

function reference({ connection, procedure }: ProcedureSource, { call, startedAt, result }: Called): InputReference {
  return {
    kind: 'call',
    connection,
    procedure,
    parameters: Object.fromEntries(call.parameters.map(({ name, value }) => [name, value])),
    startedAt: startedAt.toISOString(),
    rows: result.rows,
  }
}
