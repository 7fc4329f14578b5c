/** A run as its events tell it so far. Pure: what the live view and the summary are drawn from. */
import type { ErrorSummary, RunEvent, RunSummary } from '../../run/ledger/events.ts'

type Finished = Extract<RunEvent, { type: 'task.finished' }>

/** A task so far. */
export interface TaskView {
  readonly id: string
  readonly kind: string
  readonly table: string
  readonly status: 'running' | Finished['status']
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly rows: number
  readonly bytes: number
  /** The file that is being read. */
  readonly input?: string | undefined
  readonly attempt: number
  readonly finished?: Finished
}

/** A run so far. */
export interface RunView {
  readonly id?: string
  readonly startedAt?: number
  /** How many tasks the plan has. */
  readonly planned: number
  /** In the order in which they started. */
  readonly tasks: readonly TaskView[]
  readonly refused: readonly {
    readonly what: 'file' | 'table'
    readonly input: string
    readonly error: ErrorSummary
    readonly report?: string | undefined
  }[]
  readonly warnings: readonly string[]
  readonly checks: readonly Extract<RunEvent, { type: 'quality.result' }>[]
  readonly summary?: RunSummary
}

/** Before the first event. */
export const emptyRun: RunView = { planned: 0, tasks: [], refused: [], warnings: [], checks: [] }

/**
 * Takes in one event.
 *
 * @example const view = events.reduce(afterEvent, emptyRun)
 */
export function afterEvent(view: RunView, event: RunEvent): RunView {
  const at = Date.parse(event.ts)
  switch (event.type) {
    case 'run.started':
      return { ...view, id: event.runId, startedAt: at, planned: event.tasks }
    case 'task.started': {
      const { task: id, kind, table, attempt } = event
      const task: TaskView = { id, kind, table, status: 'running', startedAt: at, rows: 0, bytes: 0, attempt }
      return { ...view, tasks: [...view.tasks.filter((other) => other.id !== id), task] }
    }
    case 'task.progress': {
      const { rows, bytes, input } = event
      return {
        ...view,
        tasks: view.tasks.map((task) => (task.id === event.task ? { ...task, rows, bytes, input } : task)),
      }
    }
    case 'task.finished': {
      const before = view.tasks.find((task) => task.id === event.task)
      const start = before ?? { startedAt: at, bytes: 0, attempt: 1, rows: 0 }
      const { task: id, kind, table, status } = event
      const rows = event.accounting?.read ?? event.rows ?? start.rows
      const done: TaskView = { ...start, id, kind, table, status, rows, finished: event }
      const tasks =
        before === undefined ? [...view.tasks, done] : view.tasks.map((task) => (task === before ? done : task))
      return { ...view, tasks }
    }
    case 'task.refused':
      return {
        ...view,
        refused: [...view.refused, { what: event.what, input: event.input, error: event.error, report: event.report }],
      }
    case 'task.warning':
      return { ...view, warnings: [...view.warnings, event.message] }
    case 'source.lag':
      return event.error === undefined ? view : { ...view, warnings: [...view.warnings, event.error.message] }
    case 'quality.result':
      return event.status === 'passed' ? view : { ...view, checks: [...view.checks, event] }
    case 'run.finished':
      return { ...view, summary: event.summary }
    default:
      return view
  }
}
