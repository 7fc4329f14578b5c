/**
 * Executes a run: takes the lease, plans, runs the emitted state machine, tells how it ended.
 *
 * Nothing is resumed from the ledger. A run that follows a crash plans anew from what is committed, and so goes on by itself.
 */
import { newId } from '../../base/clock.ts'
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import type { Model } from '../../definition/types.ts'
import type { Plan, PlanTask } from '../../plan/types.ts'
import { maxRetries } from '../../statemachine/states.ts'
import type { RunOptions } from '../api.ts'
import type { ProjectContext, TaskContext, TaskOutcome } from '../context.ts'
import type { ErrorSummary, NewRunEvent, RunEvent, RunSummary } from '../ledger/events.ts'
import type { LagEvent } from '../ledger/lag.ts'
import { acquireLease, type Lease } from '../ledger/lease.ts'
import { idleRun, type LedgerEntry, readEvents, readPlan, startRun } from '../ledger/ledger.ts'
import { withParameters } from '../planning/parameters.ts'
import { planProject } from '../planning/planning.ts'
import type { WorkFolder } from '../workspace.ts'

/** What runs each kind of task: the same handlers that a function on AWS calls; imported when one runs. */
const handlers: { readonly [kind in PlanTask['kind']]: (context: TaskContext) => Promise<TaskOutcome> } = {
  ingest: async (context) => (await import('../tasks/ingest.ts')).runIngest(context),
  model: async (context) =>
    modelOf(context)?.kind === 'changes'
      ? (await import('../tasks/changes.ts')).runChanges(context)
      : (await import('../tasks/model.ts')).runModel(context),
  load: async (context) => (await import('../tasks/load.ts')).runLoad(context),
}

const modelOf = ({ project, task }: TaskContext): Model | undefined =>
  project.pipelines.find(({ name }) => name === task.pipeline)?.models[task.table]

/** Apart, because the compiler leaves the ending of an import as it is where it is inside a block with `await using`. */
const notifying = (): Promise<typeof import('./notify.ts')> => import('./notify.ts')
const lagging = (): Promise<typeof import('../ledger/lag.ts')> => import('../ledger/lag.ts')
const maintenance = (): Promise<typeof import('../maintenance.ts')> => import('../maintenance.ts')
const compacting = (): Promise<typeof import('./compact.ts')> => import('./compact.ts')

/** What a run that follows another knows of it. */
export interface Following {
  /** The failures that were told of already, as {@link failureKey} has them; a run that did nothing is then forgotten. */
  readonly told?: ReadonlySet<string>
}

/** @example failureKey('ingest:raw.shop', 'Source.SlotBusy') // 'ingest:raw.shop Source.SlotBusy' */
export function failureKey(task: string, error: string): string {
  return `${task} ${error}`
}

/** @example waitingKey('ingest:raw.shop', 'public.orders') // 'ingest:raw.shop waits public.orders' */
export function waitingKey(task: string, table: string): string {
  return `${task} waits ${table}`
}

/**
 * Runs a project once.
 *
 * @throws Definition.Invalid before anything ran, when the definition has problems
 * @throws Run.Busy when another run holds the project
 */
export async function executeRun(
  context: ProjectContext,
  options: RunOptions & Following = {},
): Promise<{ id: string; summary: RunSummary }> {
  const id = newId(context.clock)
  await using lease = await acquireLease(context.state, 'project', { clock: context.clock, owner: id })
  const { plan, problems } = await planProject(context, options)
  // What needs an approval holds back its own table and what depends on it, and nothing else.
  const errors = problems.filter(({ severity, name }) => severity === 'error' && name !== 'Plan.NeedsApproval')
  if (errors.length > 0) throw sluiceError('Definition.Invalid', { count: errors.length }, { problems })
  const started = context.clock.now()
  const pipelines = [...new Set(plan.tasks.map((task) => task.pipeline))]
  const start = { id, startedAt: started.toISOString(), pipelines, fencingToken: lease.token }
  const entry = isIdle(plan) ? idleRun(context.state, start, plan) : await startRun(context.state, start, plan)
  const bound = await withParameters(context, plan.parameters)
  const run = new Run(bound, options, id, started, plan, lease, entry)
  run.emit({
    type: 'run.started',
    pipelines,
    tasks: plan.tasks.filter((task) => task.action === 'run').length,
    project: context.project.config.name,
  })
  await run.execute()
  await run.compact()
  const summary = run.summary(context.clock.now().getTime() - started.getTime())
  const { config, pipelines: defined } = context.project
  const { failures, outcomes, lags, emit } = run
  const isTold = isNews(run, summary, options)
  const waiting = newWaiting(run, options)
  const alerts = lags.filter(({ level, isNew }) => level === 'alert' && isNew)
  if ((isTold || alerts.length > 0) && [config, ...defined].some(({ notifications }) => notifications.length > 0)) {
    const { sendNotifications } = await notifying()
    await sendNotifications(context, { id, plan, summary, failures, outcomes, emit, isTold, alerts, waiting })
  }
  if (lags.length > 0) await (await lagging()).rememberLag(context.state, lags)
  run.emit({ type: 'run.finished', summary })
  if (options.told !== undefined && isNothing(summary, waiting)) await entry.forget()
  else await entry.finish(context.clock.now().toISOString(), summary)
  // After the run is told of, because it is no part of it: what cannot be removed now is removed another day.
  if (!isIdle(plan) && summary.status === 'succeeded')
    await (await maintenance()).cleanDaily(context).catch(() => undefined)
  return { id, summary }
}

/**
 * Runs again what failed, was skipped or was cut short in a run, and what depends on it.
 *
 * @throws Run.NotFound, Run.NothingToRetry
 */
export async function retryRun(
  context: ProjectContext,
  runId: string,
  options: RunOptions = {},
): Promise<{ id: string; summary: RunSummary }> {
  const events = await readEvents(context.state, runId)
  const planned = await readPlan(context.state, runId)
  if (events === undefined || planned === undefined) throw sluiceError('Run.NotFound', { run: runId })
  const done = new Set(
    events.flatMap((event) =>
      event.type === 'task.finished' && ['succeeded', 'unchanged'].includes(event.status) ? [event.task] : [],
    ),
  )
  const select = planned.tasks
    .filter((task) => task.action === 'run' && !done.has(task.id))
    .map((task) => `${task.table}+`)
  if (select.length === 0) throw sluiceError('Run.NothingToRetry', { run: runId })
  return executeRun(context, { ...options, select, parameters: givenAgain(planned) })
}

/** What a plan was made with, so that what is tried again is the same. */
function givenAgain({ parameters = {} }: Plan): NonNullable<RunOptions['parameters']> {
  const named = Object.entries(parameters).flatMap(([pipeline, values]) =>
    Object.entries(values).map(([name, value]) => [`${pipeline}.${name}`, value] as const),
  )
  return Object.fromEntries(named)
}

class Run {
  readonly failures = new Map<string, ErrorSummary>()
  readonly outcomes = new Map<string, TaskOutcome>()
  readonly #attempts = new Map<string, number>()
  readonly #lags = new Map<string, LagEvent>()
  readonly #context: ProjectContext
  readonly #options: RunOptions & Following
  readonly #id: string
  readonly #started: Date
  readonly #plan: Plan
  readonly #lease: Lease
  readonly #entry: LedgerEntry
  readonly #signal: AbortSignal
  #warnings = 0
  #foundWanting = false

  constructor(
    context: ProjectContext,
    options: RunOptions & Following,
    id: string,
    started: Date,
    plan: Plan,
    lease: Lease,
    entry: LedgerEntry,
  ) {
    this.#context = context
    this.#options = options
    this.#id = id
    this.#started = started
    this.#plan = plan
    this.#lease = lease
    this.#entry = entry
    this.#signal = AbortSignal.any([lease.lost, ...(options.signal === undefined ? [] : [options.signal])])
  }

  readonly emit = (event: NewRunEvent): void => {
    const stamped = { ...event, v: 1, ts: this.#context.clock.now().toISOString(), runId: this.#id } as RunEvent
    if (event.type === 'task.warning') this.#warnings++
    if (stamped.type === 'source.lag') this.#lags.set(stamped.task, stamped)
    this.#entry.record(stamped)
    this.#options.onEvent?.(stamped)
  }

  /** The last measure of each source. */
  get lags(): readonly LagEvent[] {
    return [...this.#lags.values()]
  }

  async execute(): Promise<void> {
    const signal = this.#signal
    // Where nothing runs, the machines would only pass every task on.
    if (isIdle(this.#plan)) {
      for (const task of this.#plan.tasks) this.#pass(task)
      return
    }
    const [{ compileStateMachines }, { executeStateMachines }] = await Promise.all([
      import('../../statemachine/compile.ts'),
      import('./interpreter.ts'),
    ])
    const machines = compileStateMachines(this.#plan, {
      concurrency: this.#options.concurrency ?? this.#context.project.config.concurrency,
    })
    try {
      await executeStateMachines(
        machines,
        { runId: this.#id },
        {
          invoke: (payload, taskSignal) => this.#invoke(payload, taskSignal),
          // The run tells of itself when it has ended, with its summary: see execute().
          notify: async () => {},
          signal,
        },
      )
    } catch (error) {
      // A failed machine is the sum of failed tasks and refused files, which are known one by one; anything else is a failure of the run itself.
      if (!this.#foundWanting && !signal.aborted) throw error
    }
  }

  /** Writes small files of what this run has committed to together. Where that fails, tables are as they are, and another run tries again. */
  async compact(): Promise<void> {
    const signal = this.#signal
    for (const task of this.#plan.tasks) {
      const committed = task.kind !== 'load' && this.outcomes.get(task.id)?.status === 'succeeded'
      if (!committed || signal.aborted) continue
      const [run, fencingToken, fence] = [this.#id, this.#lease.token, () => this.#lease.assertHeld()]
      try {
        await (await compacting()).compactTable(this.#context, task.table, { run, fencingToken, fence, signal })
      } catch (error) {
        if (signal.aborted) return
        const { message } = summarise(error)
        this.emit({ type: 'task.warning', task: task.id, message: `small files stay as they are: ${message}` })
      }
    }
  }

  async #invoke(payload: Record<string, unknown>, signal: AbortSignal): Promise<Record<string, unknown>> {
    if (payload['finish'] === true) return this.#finish()
    const task = this.#plan.tasks.find(({ id }) => id === payload['task'])
    if (task === undefined) return { task: String(payload['task']), status: 'skipped' }
    const attempt = (this.#attempts.get(task.id) ?? 0) + 1
    this.#attempts.set(task.id, attempt)
    if (task.action === 'skip') return this.#pass(task)
    const broken = task.dependsOn.filter((upstream) =>
      ['failed', 'skipped', 'cancelled'].includes(this.outcomes.get(upstream)?.status ?? ''),
    )
    if (broken.length > 0) return this.#settle(task, 0, { status: 'skipped' }, `needs ${broken.join(', ')}`)
    const empty = task.dependsOn.find((id) => this.outcomes.has(id) && this.outcomes.get(id)?.version === undefined)
    if (empty !== undefined) return this.#settle(task, 0, { status: 'skipped' }, `${empty} has no version yet`)
    const started = this.#context.clock.now().getTime()
    const scratch: WorkFolder[] = []
    this.emit({ type: 'task.started', task: task.id, kind: task.kind, table: task.table, attempt })
    try {
      const outcome = await handlers[task.kind]({
        ...this.#context,
        run: this.#id,
        startedAt: this.#started,
        fencingToken: this.#lease.token,
        plan: this.#plan,
        task,
        attempt,
        outcomes: this.outcomes,
        fence: () => this.#lease.assertHeld(),
        emit: this.emit,
        scratch: async (name) => {
          const work = await this.#context.workspace.folder(
            `${this.#id}-${task.id.replace(/\W/g, '-')}-${attempt}-${name}`,
          )
          scratch.push(work)
          return work.folder
        },
        signal,
      })
      this.failures.delete(task.id)
      return this.#settle(task, this.#context.clock.now().getTime() - started, outcome)
    } catch (error) {
      const cancelled = this.#options.signal?.aborted === true
      if (!cancelled && isSluiceError(error) && error.retryable && attempt <= maxRetries) {
        this.emit({
          type: 'task.warning',
          task: task.id,
          message: `attempt ${attempt} failed and is tried again: ${error.message}`,
        })
        throw error
      }
      const summary = cancelled ? summarise(sluiceError('Run.Cancelled', {})) : summarise(error)
      if (!cancelled) this.failures.set(task.id, summary)
      this.#settle(
        task,
        this.#context.clock.now().getTime() - started,
        { status: cancelled ? 'cancelled' : 'failed' },
        undefined,
        summary,
      )
      throw error
    } finally {
      await Promise.all(scratch.map((work) => work[Symbol.asyncDispose]()))
    }
  }

  /** Settles a task that the plan does not run. */
  #pass(task: PlanTask): Record<string, unknown> {
    const status = task.reason === 'needs-approval' ? 'skipped' : 'unchanged'
    return this.#settle(task, 0, { status, ...versionOf(task) }, task.reason === 'unchanged' ? undefined : task.detail)
  }

  #settle(
    task: PlanTask,
    durationMs: number,
    outcome: TaskOutcome,
    reason?: string,
    error?: ErrorSummary,
  ): Record<string, unknown> {
    this.outcomes.set(task.id, outcome)
    this.emit({
      type: 'task.finished',
      task: task.id,
      kind: task.kind,
      table: task.table,
      status: outcome.status,
      durationMs,
      ...(outcome.version === undefined ? {} : { version: outcome.version }),
      ...(outcome.accounting === undefined
        ? {}
        : { accounting: outcome.accounting, rows: outcome.accounting.accepted }),
      ...(outcome.partitions === undefined ? {} : { partitions: outcome.partitions }),
      ...(outcome.load === undefined ? {} : { load: outcome.load }),
      ...(error === undefined ? {} : { error }),
      ...(reason === undefined ? {} : { reason }),
    })
    return {
      task: task.id,
      status: outcome.status,
      ...(outcome.version === undefined ? {} : { version: outcome.version }),
    }
  }

  #finish(): Record<string, unknown> {
    const { succeeded, failed, skipped } = this.#counts()
    const refused = this.#refused()
    const [waiting] = this.#waiting()
    this.#foundWanting = failed + skipped + refused > 0 || waiting !== undefined
    if (failed + skipped > 0)
      throw sluiceError('Run.TasksFailed', { failed: [...this.failures.keys()], skipped, kept: succeeded })
    if (refused > 0) throw sluiceError('Run.FilesRefused', { count: refused })
    if (waiting !== undefined) throw sluiceError('Source.TableWaits', { table: waiting })
    return { status: 'succeeded' }
  }

  #refused(): number {
    return [...this.outcomes.values()].reduce((sum, outcome) => sum + (outcome.refused ?? 0), 0)
  }

  #waiting(): readonly string[] {
    return [...this.outcomes.values()].flatMap(({ waiting = [] }) => waiting)
  }

  #counts(): { succeeded: number; failed: number; skipped: number; unchanged: number; cancelled: number } {
    const counts = { succeeded: 0, failed: 0, skipped: 0, unchanged: 0, cancelled: 0 }
    for (const task of this.#plan.tasks) counts[this.outcomes.get(task.id)?.status ?? 'cancelled']++
    return counts
  }

  summary(durationMs: number): RunSummary {
    const { cancelled, ...tasks } = this.#counts()
    const outcomes = [...this.outcomes.values()]
    const sum = (of: (outcome: TaskOutcome) => number): number =>
      outcomes.reduce((total, outcome) => total + of(outcome), 0)
    const taken = this.#plan.tasks
      .filter((task) => task.kind === 'ingest')
      .flatMap((task) => this.outcomes.get(task.id)?.accounting ?? [])
    const rows = { read: 0, accepted: 0, quarantined: 0, dropped: 0, loaded: sum((outcome) => outcome.loaded ?? 0) }
    for (const accounting of taken) {
      rows.read += accounting.read
      rows.accepted += accounting.accepted
      rows.quarantined += accounting.quarantined
      rows.dropped += Object.values(accounting.dropped).reduce((total, count) => total + count, 0)
    }
    const refusedFiles = this.#refused()
    const waitingTables = this.#waiting().length
    const lag = this.lags.map(({ table, connection, slot, bytes, seconds, keptBytes, level }) => ({
      ...{ table, connection, slot, bytes, keptBytes, level },
      ...(seconds === undefined ? {} : { seconds }),
    }))
    // Of runs that follow each other, one says it for all.
    const late = this.lags.filter(({ level, isNew }) => level !== 'ok' && (isNew || this.#options.told === undefined))
    const aborted = this.#options.signal?.aborted === true && (cancelled > 0 || tasks.skipped > 0)
    return {
      status: aborted
        ? 'cancelled'
        : tasks.failed + tasks.skipped + cancelled + refusedFiles + waitingTables > 0
          ? 'failed'
          : 'succeeded',
      tasks: { ...tasks, skipped: tasks.skipped + cancelled },
      rows,
      refusedFiles,
      ...(waitingTables === 0 ? {} : { waitingTables }),
      warnings: this.#warnings + late.length,
      ...(lag.length === 0 ? {} : { lag }),
      durationMs,
    }
  }
}

/** Whether a run did nothing that anybody would look for. A table that waits still is as it was. */
function isNothing({ status, tasks, refusedFiles, warnings }: RunSummary, waiting: readonly TaskWaiting[]): boolean {
  const isWell = status === 'succeeded' || (status === 'failed' && tasks.failed + tasks.skipped === 0)
  return isWell && tasks.succeeded + refusedFiles + warnings + waiting.length === 0
}

/** A captured table that waits for somebody, and the task that tells it. */
export interface TaskWaiting {
  readonly task: string
  readonly table: string
}

/** The tables that wait, without those that were told of. */
function newWaiting({ outcomes }: Run, { told }: Following): readonly TaskWaiting[] {
  return [...outcomes]
    .flatMap(([task, { waiting = [] }]) => waiting.map((table) => ({ task, table })))
    .filter(({ task, table }) => told?.has(waitingKey(task, table)) !== true)
}

/** Whether a run is to be told of: not one that did nothing, or failed as the one before, where they follow each other. */
function isNews(run: Run, { status, tasks, refusedFiles }: RunSummary, options: Following): boolean {
  const { told } = options
  if (told === undefined || tasks.succeeded + refusedFiles + newWaiting(run, options).length > 0) return true
  if (status === 'succeeded') return false
  const failures = [...run.failures].map(([task, { name }]) => failureKey(task, name))
  if (failures.length === 0) return tasks.failed + tasks.skipped > 0 || status === 'cancelled'
  return failures.some((failure) => !told.has(failure))
}

/** Whether a plan has nothing to run. */
function isIdle(plan: Plan): boolean {
  return plan.tasks.every((task) => task.action === 'skip')
}

function versionOf(task: PlanTask): { version?: number } {
  return task.current === undefined ? {} : { version: task.current }
}

/** An error as it leaves the process: no stack, no parameters that could hold a value. */
export function summarise(error: unknown): ErrorSummary {
  if (isSluiceError(error)) {
    return {
      code: error.code,
      name: error.name,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      retryable: error.retryable,
    }
  }
  return {
    code: 'SLU9001',
    name: 'Internal',
    message: error instanceof Error ? error.message : String(error),
    retryable: false,
  }
}
