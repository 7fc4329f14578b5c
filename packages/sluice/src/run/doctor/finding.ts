/** What the doctor says of one thing. */
import type { OpenProject } from '../api.ts'

/** One thing that was looked at. */
export type Finding = Awaited<ReturnType<OpenProject['doctor']>>[number]
