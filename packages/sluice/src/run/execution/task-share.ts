/** What one task may take of the engine, where several run at a time. */
import type { ProjectConfig } from '../../definition/types.ts'

/** Below this DuckDB cannot sort or write Parquet at all: tasks then take more together than the project's limit. */
const leastMegabytes = 128

/** What each of its threads works in: with more threads than memory for them, DuckDB fails where fewer would only be slower. */
const megabytesPerThread = 64

/**
 * The limits of a task: the limit is the project's, and tasks that run at a time share it.
 *
 * @example taskShare({ memoryLimit: '1GB' }, 4, 16) // { memoryLimit: '250MB', threads: 3 }
 * @param cores of this machine
 */
export function taskShare(
  engine: ProjectConfig['engine'],
  concurrency: number,
  cores: number,
): { memoryLimit: string; threads: number } {
  const share = Math.max(leastMegabytes, Math.floor(megabytes(engine.memoryLimit) / concurrency))
  const threads = engine.threads ?? Math.max(1, Math.min(cores, Math.floor(share / megabytesPerThread)))
  return { memoryLimit: `${share}MB`, threads }
}

const units = {
  KB: 1 / 1000,
  MB: 1,
  GB: 1000,
  TB: 1_000_000,
  KIB: 1024 / 1_000_000,
  MIB: 1.048_576,
  GIB: 1073.741_824,
  TIB: 1_099_511.627_776,
} as const

/** DuckDB's spelling of a size, as megabytes. */
function megabytes(limit: string): number {
  const match = /^([\d.]+)\s*([KMGT]i?B)$/i.exec(limit)
  return match === null ? 1000 : Number(match[1]) * units[(match[2] as string).toUpperCase() as keyof typeof units]
}
