/** Shows a run while it happens: redrawn in place for people, plain lines in a pipe, events as JSON with `--json`. */
import { type Clock, systemClock } from '../../base/clock.ts'
import type { EventSink } from '../../run/ledger/events.ts'
import type { Terminal } from '../terminal.ts'
import { frameLines } from './run-frame.ts'
import { runLine } from './run-line.ts'
import { afterEvent, emptyRun, type RunView } from './run-state.ts'

/** Milliseconds between two drawings. */
const drawEvery = 100
/** Milliseconds between two progress lines of one task, where lines cannot be redrawn. */
const progressEvery = 10_000

/** What stays on the screen above the drawing. */
const remarks: ReadonlySet<string> = new Set([
  ...['quarantine.aged-out', 'task.warning', 'task.refused', 'source.lag', 'notification.failed'],
])

/** A view of a run. */
export interface RunDisplay {
  readonly onEvent: EventSink
  /** Ends the view and gives what it has seen; the last drawing stays on the screen. */
  end(): RunView
}

/**
 * Starts a view.
 *
 * @example
 * const display = showRun(terminal)
 * try { await project.run({ onEvent: display.onEvent }) } finally { display.end() }
 */
export function showRun(terminal: Terminal, clock: Clock = systemClock): RunDisplay {
  let view = emptyRun
  const show = terminal.json
    ? jsonLines(terminal)
    : terminal.live
      ? liveFrame(terminal, clock, () => view)
      : plainLines(terminal)
  return {
    onEvent: (event) => {
      view = afterEvent(view, event)
      show.take(event)
    },
    end: () => {
      show.end()
      return view
    },
  }
}

interface Shower {
  readonly take: EventSink
  end(): void
}

function jsonLines(terminal: Terminal): Shower {
  return { take: (event) => void terminal.out.data(`${JSON.stringify(event)}\n`), end: () => {} }
}

function plainLines(terminal: Terminal): Shower {
  const last = new Map<string, number>()
  return {
    take: (event) => {
      if (terminal.quiet) return
      if (event.type === 'task.progress') {
        const at = Date.parse(event.ts)
        const before = last.get(event.task)
        if (before === undefined) last.set(event.task, at)
        if (before === undefined || at - before < progressEvery) return
        last.set(event.task, at)
      }
      const line = runLine(event, terminal.err.paint)
      if (line !== undefined) void terminal.err.line(line)
    },
    end: () => {},
  }
}

function liveFrame(terminal: Terminal, clock: Clock, view: () => RunView): Shower {
  const { err } = terminal
  let drawn = 0
  const draw = (): void => {
    const { columns, rows, paint } = err
    const lines = frameLines(view(), { now: clock.now().getTime(), columns, rows, paint })
    // Up to the first line of the last drawing, and over it in one write: nothing flickers.
    const up = drawn === 0 ? '' : `\u001b[${drawn}A`
    void err.write(`${up}${lines.map((line) => `\u001b[2K${line}\n`).join('')}\u001b[J`)
    drawn = lines.length
  }
  const timer = setInterval(draw, drawEvery)
  timer.unref()
  return {
    take: (event) => {
      if (!remarks.has(event.type)) return
      const line = runLine(event, err.paint)
      if (line === undefined) return
      // Remarks stay above the drawing, which is made again below them.
      const up = drawn === 0 ? '' : `\u001b[${drawn}A\u001b[J`
      void err.write(`${up}${line}\n`)
      drawn = 0
      draw()
    },
    end: () => {
      clearInterval(timer)
      draw()
    },
  }
}
