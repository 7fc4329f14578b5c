/** What a run takes of the machine; on Linux, which tells. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { sluice } from './project.ts'

/** Runs `sluice run` in a process of its own; answers the most memory that it had, in bytes. */
export function runMeasured(
  root: string,
  args: readonly string[] = [],
): Promise<{ readonly code: number | null; readonly peak: number; readonly said: string }> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [sluice, '-C', root, 'run', ...args], {
      env: { ...process.env, NO_COLOR: '1' },
    })
    let [peak, said] = [0, '']
    const look = setInterval(() => {
      try {
        const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
        peak = Math.max(peak, 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0))
      } catch {
        // It has ended.
      }
    }, 20)
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        said += chunk
      })
    child.on('error', fail)
    child.on('close', (code) => {
      clearInterval(look)
      done({ code, peak, said })
    })
  })
}
