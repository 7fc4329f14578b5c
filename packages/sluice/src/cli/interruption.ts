/** Ctrl-C and SIGTERM: the first ends cleanly, the second at once. */
import type { Terminal } from './terminal.ts'

/** A watch over the process's signals. */
export interface Interruption {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal
  /** The exit code of what interrupted: 130 after Ctrl-C, 143 after SIGTERM; nothing where nobody did. */
  code(): number | undefined
  end(): void
}

interface Signals {
  on(event: 'SIGINT' | 'SIGTERM', listener: () => void): unknown
  off(event: 'SIGINT' | 'SIGTERM', listener: () => void): unknown
  exit(code: number): void
}

/**
 * Watches for signals until `end` is called.
 *
 * @example const interruption = watchSignals(process, terminal)
 */
export function watchSignals(process: Signals, terminal: Terminal): Interruption {
  const controller = new AbortController()
  let code: number | undefined
  const handle = (mine: number, name: string) => (): void => {
    if (code !== undefined) {
      process.exit(mine)
      return
    }
    code = mine
    void terminal.err.line(
      `\n${name}: stopping what runs; nothing half-done is published. ${mine === 130 ? 'Ctrl-C again stops at once.' : ''}`.trimEnd(),
    )
    controller.abort()
  }
  const onInterrupt = handle(130, 'Interrupted')
  const onTerminate = handle(143, 'Terminated')
  process.on('SIGINT', onInterrupt)
  process.on('SIGTERM', onTerminate)
  return {
    signal: controller.signal,
    code: () => code,
    end: () => {
      process.off('SIGINT', onInterrupt)
      process.off('SIGTERM', onTerminate)
    },
  }
}
