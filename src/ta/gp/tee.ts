/**
 * `tee`: the whole TEE Internal Core API as methods of one object, one per TA instance. C has one
 * flat name space; here each chapter of the specification is a class that goes on from the one
 * before it, and this is the last.
 */
import { TeeSockets } from './sockets.ts';

export class Tee extends TeeSockets {}
