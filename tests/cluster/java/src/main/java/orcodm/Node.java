package orcodm;

import java.io.IOException;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One OpenSearch node: its folder, then its settings as name=value. It ends with its standard input. */
public final class Node {

    public static void main(String[] arguments) throws IOException {
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            for (int at = 1; at < arguments.length; at++) {
                String[] setting = arguments[at].split("=", 2);
                settings.put(setting[0], setting[1]);
            }
        });
        runner.build(OpenSearchRunner.newConfigs().numOfNode(1).basePath(arguments[0]).disableESLogger());
        while (System.in.read() >= 0) {
            // Whoever started this node holds the other end, and lets go of it when they end.
        }
        // Not an orderly stop: the cluster has to survive a node's sudden end, so that is how each one ends.
        Runtime.getRuntime().halt(0);
    }

    private Node() {}
}
