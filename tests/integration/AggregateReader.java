// Turns records of a stream, a line each, into what the Kinesis Client Library makes of them within one shard.
// Never opens an aggregate by itself: AggregatorUtil does.
// Rules: amazon-kinesis-client 3.5.1, software.amazon.kinesis.retrieval.AggregatorUtil.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import software.amazon.kinesis.retrieval.AggregatorUtil;
import software.amazon.kinesis.retrieval.KinesisClientRecord;

public final class AggregateReader {
    /** In: first hash, last hash, partition key, data as base64. Out: of each record key, hash key or '-', data. */
    public static void main(String[] words) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        AggregatorUtil util = new AggregatorUtil();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] parts = line.split("\t", -1);
            KinesisClientRecord record = KinesisClientRecord.builder()
                    .partitionKey(parts[2])
                    .data(ByteBuffer.wrap(Base64.getDecoder().decode(parts[3])))
                    .sequenceNumber("1")
                    .approximateArrivalTimestamp(Instant.EPOCH)
                    .build();
            List<KinesisClientRecord> found = util.deaggregate(new ArrayList<>(List.of(record)), parts[0], parts[1]);
            StringBuilder out = new StringBuilder();
            for (KinesisClientRecord each : found) {
                byte[] data = new byte[each.data().remaining()];
                each.data().get(data);
                String hash = each.explicitHashKey() == null ? "-" : each.explicitHashKey();
                out.append(out.length() > 0 ? "\t" : "").append(each.partitionKey()).append('\t').append(hash)
                        .append('\t').append(Base64.getEncoder().encodeToString(data));
            }
            System.out.println(out);
        }
    }
}
