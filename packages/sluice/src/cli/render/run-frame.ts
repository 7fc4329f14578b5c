/** The live view of a run: layers, tasks, rows, rates. Pure: a view and an instant become lines. */
import type { Channel } from '../terminal.ts'
import { marks, outcome } from './run-line.ts'
import type { RunView, TaskView } from './run-state.ts'
import { bytes, count, cut, duration, pad, rate, visible } from './text.ts'

interface Frame {
  /** Milliseconds since 1970. */
  readonly now: number
  readonly columns: number
  /** How many lines there is room for. */
  readonly rows: number
  readonly paint: Channel['paint']
}

/**
 * Draws a run; never more lines than there is room for: what has finished gives way first.
 *
 * @example frameLines(view, { now: Date.now(), columns: 100, rows: 30, paint: channel.paint })
 */
export function frameLines(view: RunView, frame: Frame): readonly string[] {
  const lines: string[] = []
  const room = Math.max(4, frame.rows - 2)
  const shown = fit(view.tasks, room - new Set(view.tasks.map(layerOf)).size - 1)
  const hidden = view.tasks.length - shown.length
  const names = Math.min(32, Math.max(12, ...shown.map((task) => visible(task.table).length)))
  for (const layer of new Set(shown.map(layerOf))) {
    lines.push(frame.paint('bold', visible(layer)))
    for (const task of shown.filter((candidate) => layerOf(candidate) === layer))
      lines.push(taskLine(task, names, frame))
  }
  if (hidden > 0) lines.push(frame.paint('dim', `  … ${count(hidden)} more done`))
  lines.push(totals(view, frame))
  return lines
}

/** Keeps all that run, and of the rest the newest. */
function fit(tasks: readonly TaskView[], room: number): readonly TaskView[] {
  if (tasks.length <= room) return tasks
  const running = tasks.filter((task) => task.status === 'running')
  const rest = tasks.filter((task) => task.status !== 'running')
  const kept = new Set([...running, ...rest.slice(Math.max(0, rest.length - Math.max(0, room - running.length)))])
  return tasks.filter((task) => kept.has(task)).slice(0, Math.max(1, room))
}

function layerOf(task: TaskView): string {
  return task.kind === 'load' ? 'warehouse' : (task.table.split('.')[0] ?? '')
}

function taskLine(task: TaskView, names: number, { now, columns, paint }: Frame): string {
  const [look, mark] = marks[task.status]
  const head = `  ${mark} ${pad(cut(visible(task.table), names), names)}  `
  const text = task.finished === undefined ? running(task, now) : outcome(task.finished)
  const line = cut(`${head}${text}`, columns - 1)
  // Coloured after the cut, so that no escape sequence is ever cut in two.
  return line.replace(mark, paint(look, mark))
}

function running(task: TaskView, now: number): string {
  const elapsed = Math.max(0, now - task.startedAt)
  const speed = task.rows === 0 || elapsed < 500 ? [] : [rate(task.rows, elapsed)]
  const size = task.bytes === 0 ? [] : [bytes(task.bytes)]
  const attempt = task.attempt > 1 ? [`attempt ${task.attempt}`] : []
  const rows = task.rows === 0 ? [] : [`${count(task.rows)} rows`]
  const input = task.input === undefined ? [] : [visible(task.input)]
  return [...attempt, ...rows, ...speed, ...size, duration(elapsed), ...input].join('  ')
}

function totals(view: RunView, { now, paint }: Frame): string {
  const ran = view.tasks.filter((task) => task.status !== 'unchanged')
  const done = ran.filter((task) => task.status !== 'running').length
  const rows = view.tasks.reduce((sum, task) => sum + (task.kind === 'ingest' ? task.rows : 0), 0)
  const elapsed = view.startedAt === undefined ? '' : `  ${duration(Math.max(0, now - view.startedAt))}`
  return paint(
    'dim',
    `${count(done)} of ${count(Math.max(view.planned, ran.length))} tasks  ${count(rows)} rows read${elapsed}`,
  )
}
